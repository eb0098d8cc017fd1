"""`fullhead animate`: a head that moves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.commands.options import HeadOptions, check_film, radians, tracked
from fullhead.core.errors import FullheadError
from fullhead.io.files import check_place

STILLS = (".png", ".jpg", ".jpeg")
ALL = "all"  # expressions: a sheet
FRAMES, FPS = 48, 24.0


def animate(
    head: HeadOptions = HeadOptions(model="ganhead-demo"),  # noqa: B008
    out: Path = Path("out/animate.webp"),
    expression: str = "",
    joint: tuple[str, ...] = (),
    clip: Path | None = None,
    frames: int | None = None,
    fps: float | None = None,
    camera: Literal["still", "turn", "swing", "clip"] = "still",
    yaw: float = 0.0,
    pitch: float = 0.0,
) -> None:
    """Move a GANHead: into a face or a pose and back, or as a clip of `fullhead synth video` moves. Several seeds: a file each.

    Args:
        head: Which heads, and how they are shown.
        out: A .webp or (with the extra `video`) .mp4 for a film; a .png or .jpg for a still; with several seeds,
            animate_seed0003.webp and so on.
        expression: ARKit weights, as in jawOpen=0.7,eyeBlinkLeft=1; all: a sheet of the 52, a still.
        joint: Turns in degrees about x (nods), y (to the head's left) and z, as in neck=0,30,0 jaw=10,0,0; joints are root,
            neck, jaw, left_eye and right_eye.
        clip: A file clips/c0000.json of a set of `fullhead synth video`.
        frames: Of the film; by default 48, or the whole clip.
        fps: Frames a second; by default 24, or the clip's.
        camera: Of the film: still, once around, a swing about the front, or the clip's own.
        yaw: Side from which a still camera looks, degrees; positive moves it to the head's left.
        pitch: Height of the camera, degrees; positive looks down on the head.
    """
    head.check()
    film, sheet = out.suffix.lower() not in STILLS, expression == ALL
    if clip is not None and (expression or joint or not film):
        raise FullheadError("--clip makes a film by itself: leave --expression, --joint and stills out")
    if camera == "clip" and clip is None:
        raise FullheadError("--camera clip: give the --clip, too")
    if not (expression or joint or clip):
        raise FullheadError("nothing moves: give --expression, --joint or --clip")
    if sheet and (film or joint):
        raise FullheadError("--expression all is a sheet of still faces: write a .png, and leave --joint out")
    check_film(frames or 1, fps or 1.0)
    sideways, up = radians(yaw, "--yaw"), radians(pitch, "--pitch", 85)
    face, turns = {} if sheet else weights(expression), dict(turn(text) for text in joint)
    check_place(out)

    from fullhead.core import cameras as cams
    from fullhead.io.images import save_image
    from fullhead.viewing.animate import animate as move
    from fullhead.viewing.animate import expression_sheet, posed, read_clip, rig_poses, there_and_back
    from fullhead.viewing.turntable import check_video_path, save_video, swing_cameras, turntable_cameras

    if film:
        check_video_path(out)
    filmed = None if clip is None else read_clip(clip)
    if filmed is not None:
        poses, seen, speed = filmed.poses[:frames], filmed.cameras[:frames], fps or filmed.fps
    else:
        pose = posed(face, turns)
        poses, seen, speed = there_and_back(pose, frames or FRAMES) if film else pose, cams.orbit(sideways, up), fps or FPS
    views = {
        "still": lambda: cams.orbit(sideways, up),
        "turn": lambda: turntable_cameras(len(poses), up),
        "swing": lambda: swing_cameras(len(poses), up),
        "clip": lambda: seen,
    }[camera]()
    model, show = head.ganhead(), head.show()
    names, latents = head.heads(model, default="0")
    for i, name in enumerate(names):
        path = out if len(names) == 1 else out.with_stem(f"{out.stem}_{name}")
        decoded = model.decode(latents[i], background=head.background is None)
        moved = move(model, decoded, rig_poses(model, poses), views, show=show)
        if sheet:
            save_image(expression_sheet(model, decoded, views, show=show), path)
        elif film:
            save_video(tracked(moved, name, len(poses)), path, speed)
        else:
            save_image(next(moved), path)
        print(f"{name}: {'a sheet' if sheet else f'{len(poses)} frames' if film else 'a still'} in {path}")


def weights(text: str) -> dict[str, float]:
    """ARKit weights of "jawOpen=0.7,eyeBlinkLeft=1"."""
    found = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, number = part.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise FullheadError(f"--expression {text!r}: write names and weights, as in jawOpen=0.7,eyeBlinkLeft=1") from None
        if not 0 <= found[name] <= 1:
            raise FullheadError(f"--expression {part}: a weight lies between 0 and 1")
    return found


def turn(text: str) -> tuple[str, tuple[float, float, float]]:
    """A joint's name and its axis-angle in radians, of "neck=0,30,0" in degrees."""
    name, _, numbers = text.replace(" ", "").partition("=")
    try:
        x, y, z = (radians(float(number), f"--joint {name}", 180) for number in numbers.split(","))
    except ValueError:
        raise FullheadError(f"--joint {text!r}: write a joint and degrees about x, y and z, as in neck=0,30,0") from None
    return name, (x, y, z)
