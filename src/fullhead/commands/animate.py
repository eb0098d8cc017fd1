"""`fullhead animate`: a head that moves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fullhead.commands.options import (
    HeadOptions,
    ViewOptions,
    check_film,
    check_film_memory,
    check_out,
    items,
    output_files,
    radians,
    tracked,
)
from fullhead.core.errors import FullheadError, counted
from fullhead.io.config import Unset

STILLS = (".png", ".jpg", ".jpeg")
ALL = "all"  # expressions: a sheet
FRAMES, FPS = 48, 24.0


def animate(
    heads: HeadOptions = HeadOptions(model="ganhead-demo"),
    view: ViewOptions = ViewOptions(),
    out: Path = Path("out/animate.webp"),
    suffix: Literal[".webp", ".mp4", ".png", ".jpg"] = ".webp",
    expression: tuple[str, ...] = (),
    joint: tuple[str, ...] = (),
    clip: Unset[Path] = None,
    frames: Unset[int] = None,
    fps: Unset[float] = None,
    camera: Literal["still", "turn", "swing", "clip"] = "still",
    yaw: float = 0.0,
) -> None:
    """Move a head that has a rig, as a GANHead: into a face or a pose and back, or as a clip of `fullhead synth video` moves.

    Args:
        heads: Which heads.
        view: How they are shown.
        out: A .webp or (with the extra `video`) .mp4 for a film; a .png or .jpg for a still; for several seeds a folder of
            seed0003.webp and so on.
        suffix: Kind of the files, if they go to a folder.
        expression: ARKit weights, as in jawOpen=0.7,eyeBlinkLeft=1; all: a sheet of the 52, a still.
        joint: Rotations in degrees about x (nods), y (to the head's left) and z, as in neck=0,30,0 jaw=10,0,0; joints are root,
            neck, jaw, left_eye and right_eye.
        clip: A file clips/c0000.json of a set of `fullhead synth video`.
        frames: Number of frames; by default 48, or the whole clip.
        fps: Frames per second; by default 24, or the clip's.
        camera: How the camera of a film moves: it stands still, goes once around, swings in front, or moves as the clip's own.
        yaw: Side from which a still camera looks, degrees; positive moves it to the head's left.
    """
    film, sheet = (out.suffix or suffix).lower() not in STILLS, list(expression) == [ALL]
    if clip is not None and (expression or joint or not film):
        raise FullheadError("--clip makes a film by itself: leave --expression, --joint and stills out")
    if camera == "clip" and clip is None:
        raise FullheadError("--camera clip: give the --clip, too")
    if not (expression or joint or clip):
        raise FullheadError("nothing moves: give --expression, --joint or --clip")
    if sheet and (film or joint):
        raise FullheadError("--expression all is a sheet of still faces: write a .png, and leave --joint out")
    check_film(frames or 1, fps or 1.0)
    sideways, weights, turns = radians(yaw, "--yaw"), {} if sheet else expression_weights(expression), rotations(joint)

    from fullhead.core import cameras as cams
    from fullhead.io.images import check_still_path, save_image
    from fullhead.io.video import check_video_path, save_video
    from fullhead.models.head import Posable, capable
    from fullhead.viewing.animate import animate as move
    from fullhead.viewing.animate import expression_sheet, posed, read_clip, there_and_back
    from fullhead.viewing.turntable import moving_cameras

    check_out(out, suffix, check_video_path if film else check_still_path)
    filmed = None if clip is None else read_clip(clip)
    if filmed is not None:
        poses, seen, speed = filmed.poses[:frames], filmed.cameras[:frames], fps or filmed.fps
    else:
        pose = posed(weights, turns)
        poses, seen, speed = there_and_back(pose, frames or FRAMES) if film else pose, cams.orbit(sideways, view.up), fps or FPS
    cameras = seen if camera == "clip" else moving_cameras(camera, len(poses), sideways, view.up)
    show, opened = view.show(), heads.open()
    capable(opened.model, Posable, opened.name, "give a GANHead, as --model ganhead-demo")
    names, latents = heads.latents(opened, default="0")
    options = view.options(opened)
    files = output_files(out, names, suffix)
    if film:
        check_film_memory(files[0], len(poses), options.size or opened.model.image_size)
    for i, path in enumerate(files):
        decoded = opened.model.decode(latents[i], None, options)
        moved = move(opened.model, decoded, poses, cameras, options, show=show)
        if sheet:
            save_image(expression_sheet(opened.model, decoded, cameras[0], options, show=show), path)
        elif film:
            save_video(tracked(moved, names[i], len(poses)), path, speed)
        else:
            save_image(next(moved), path)
        print(f"{names[i]}: {'a sheet' if sheet else counted(len(poses), 'frame') if film else 'a still'} in {path}")


def expression_weights(words: Sequence[str]) -> dict[str, float]:
    """ARKit weights of ("jawOpen=0.7", "eyeBlinkLeft=1")."""
    found = {}
    for part in items(words):
        name, _, number = part.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise FullheadError(f"--expression {part}: write names and weights, as in jawOpen=0.7,eyeBlinkLeft=1") from None
        if not 0 <= found[name] <= 1:
            raise FullheadError(f"--expression {part}: a weight lies between 0 and 1")
    return found


def rotations(words: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """Axis-angle in radians by joint, of ("neck=0,30,0", "jaw=10,0,0") in degrees."""
    found = {}
    for part in re.split(r"[,\s]+(?=[a-z_]+=)", " ".join(words)) if words else ():
        name, _, numbers = part.partition("=")
        try:
            x, y, z = (radians(float(number), f"--joint {name}", 180) for number in items([numbers]))
        except ValueError:
            raise FullheadError(f"--joint {part}: write a joint and degrees about x, y and z, as in neck=0,30,0") from None
        found[name] = (x, y, z)
    return found
