"""Each kind of input: valid ones to begin with, and what the product does with one. Runs in the server of `runner`."""

from __future__ import annotations

import io
import json
import shutil
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from snapshots import dumps, snapshot
from test_flame import arrays, flame_pickle
from test_ganhead_checkpoints import SMALL, original_names, written
from test_panohead import original_generator

from conftest import write_photos
from fullhead.cli import COMMANDS, SYNTH, main
from fullhead.commands.mistakes import _names
from fullhead.core.cameras import orbit
from fullhead.data.camera_files import read_cameras, write_cameras
from fullhead.data.photos import PhotoSet
from fullhead.data.scan_landmarks import read_landmarks
from fullhead.data.scan_set import ScanSet
from fullhead.data.scans import find_scans, read_scan
from fullhead.families.opening import open_model
from fullhead.io.config import to_dict
from fullhead.io.files import sha256
from fullhead.io.gltf_writer import INDICES, VERTICES, Gltf, save_glb
from fullhead.io.images import background_image, read_image
from fullhead.io.mesh_files import read_mesh, read_texture
from fullhead.io.ply import ply_bytes
from fullhead.io.sets import check_set
from fullhead.models import checkpoint
from fullhead.models.ganhead import GANHead, GANHeadConfig, sized_for
from fullhead.models.head import RenderOptions
from fullhead.models.i3dmm import I3DMM, I3DMMConfig
from fullhead.models.panohead import PanoHead
from fullhead.nn.discriminator import Discriminator, DiscriminatorConfig
from fullhead.representations.canonical_field import CanonicalConfig
from fullhead.representations.deformer import DeformerConfig
from fullhead.rig.arkit import ARKIT
from fullhead.rig.cube import template_in_cube
from fullhead.rig.flame import load_flame
from fullhead.rig.template import JOINTS, load_template
from fullhead.training.loop import Clock, RandomStreams, Tally, save_state
from fullhead.training.presets import RUNS
from fullhead.viewing.animate import read_clip
from fullhead.viewing.study import Study, open_page
from small_scans import write_balls, write_obj, write_synth, write_texture

COLMAP = Path(__file__).parents[1] / "data" / "colmap_model"


class Silent(Exception):
    """A wrong input was taken for a right one."""


@dataclass(frozen=True)
class Kind:
    """`valid(folder)` writes valid inputs, each in a folder of its own; `use(folder)` is what the product does with one.

    seconds: of a processor that it may take. patient: work that takes longer is right to (a long film is no mistake), and is
    stopped.
    """

    valid: Callable[[Path], None]
    use: Callable[[Path], object]
    seconds: float = 10.0
    patient: bool = False


def the_file(root: Path, name: str, endings: str) -> Path:
    """The input `name` with one of the endings; a change may have taken it away."""
    found = [path for ending in endings.split() if (path := root / f"{name}.{ending}").exists()]
    return found[0] if found else root / f"{name}.{endings.split()[0]}"


def folder(*parts: str | Path) -> Path:
    path = Path(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


# -- models


def small_models() -> Iterator[tuple[str, torch.nn.Module]]:
    torch.manual_seed(0)
    yield "panohead", PanoHead(RUNS["panohead-tiny"].task.generator)
    rig = template_in_cube(load_template()).rig
    sizes = CanonicalConfig(6, 4, 3, geometry_width=48, normal_width=48, texture_width=48)
    small = GANHeadConfig(scans=3, canonical=sizes, deformer=DeformerConfig(width=24), resolution=32, image_size=40)
    yield "ganhead", GANHead(sized_for(small, rig), rig)
    widths = {"code": 4, "deform_width": 16, "reference_width": 16, "colour_width": 16, "resolution": 32, "image_size": 32}
    yield "i3dmm", I3DMM(I3DMMConfig(people=2, expressions=2, hairstyles=2, **widths))
    yield "discriminator", Discriminator(DiscriminatorConfig(image_size=64, channel_max=8, clamp=None))


def valid_models(root: Path) -> None:
    for name, model in small_models():
        kind = "discriminator" if name == "discriminator" else "model"
        checkpoint.save(model, folder(root, name) / f"{kind}.safetensors")
        if name == "panohead":
            checkpoint.save(model, folder(root, "fitted") / "model.safetensors", latents=model.seed_latents([0]))


def use_model(root: Path) -> None:
    if (root / "discriminator.safetensors").exists():
        checkpoint.read_module(root / "discriminator.safetensors", Discriminator)
        return
    opened = open_model(root / "model.safetensors")
    if not all(torch.isfinite(parameter).all() for parameter in opened.model.parameters()):
        raise Silent("weights that are not finite")
    latents = opened.model.seed_latents([0]) if opened.fitted is None else opened.fitted
    options = RenderOptions()
    image = opened.model.render(opened.model.decode(latents, None, options), orbit(0.3), options).image
    if not torch.isfinite(image).all():
        raise Silent("a picture that is not finite")


def valid_runs(root: Path) -> None:
    """A run that has seen all the images it is to see: going on with it reads all and writes its models again."""
    place, preset = folder(root, "panohead"), RUNS["panohead-tiny"]
    config = replace(preset, loop=replace(preset.loop, images=2, batch=2))
    task = config.build(write_photos(place / "photos", yaws=(0.0, 2.0)), torch.device("cpu"))
    save_state(task, Clock(2, 2), RandomStreams.seeded(0), Tally(), folder(place, "run") / "state.safetensors")
    (place / "run" / "config.json").write_text(json.dumps({"preset": "panohead-tiny", "config": to_dict(config)}))
    (place / "run" / "log.jsonl").write_text(json.dumps({"images_seen": 2.0}) + "\n")


def use_run(root: Path) -> None:
    words = ["train", "panohead-tiny", str(root / "photos"), str(root / "run")]
    _ended(main, [*words, "--export-only"])
    main(words)


def _ended(command: Callable[[list[str]], None], words: list[str]) -> None:
    """What comes after may be tried if the command has refused its words."""
    try:
        command(words)
    except SystemExit as stop:
        if stop.code not in (0, 2):
            raise


# -- studies


def valid_studies(root: Path) -> None:
    place = folder(root, "study")
    for method in ("a", "b"):
        for name in ("geometry/0000", "texture/0000", "geometry/0001", "texture/0001"):
            for view in "xyz":
                write_texture(place / method / f"{name}_{view}.png", (9, 99, 200))
    study = Study(place / "study", [place / "a", place / "b"], samples=1)
    study.enrol()
    for number, score in enumerate((1.0, 2.5, 5.0)):
        study.answer(1, number, score)
    (place / "study" / "answers" / "0002.json").write_text(
        json.dumps(
            {"volunteer": 2, "answers": [{"method": "a", "aspect": "texture", "sample": "0000", "training": False, "score": 2}]}
        )
    )


def use_study(root: Path) -> None:
    words = ["study", "--tally", "--out", str(root / "study")]
    _ended(main, words)
    study = Study(root / "study", [root / "a", root / "b"], samples=1)
    for step in (lambda: study.answer(1, study.answered(1), 3.0), lambda: study.picture(1, 0, 0), study.enrol):
        try:
            step()
        except (KeyError, IndexError, ValueError, TypeError):  # these the page answers by 404
            continue


def valid_requests(root: Path) -> None:
    valid_studies(root)
    head = "Host: 127.0.0.1\r\n"
    for name, text in {
        "page": f"GET / HTTP/1.1\r\n{head}\r\n",
        "items": f"GET /items?1 HTTP/1.1\r\n{head}\r\n",
        "picture": f"GET /picture/1/0/0 HTTP/1.1\r\n{head}\r\n",
        "enrol": f"POST /enrol HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n",
        "score": f'POST /score HTTP/1.1\r\n{head}Content-Length: 43\r\n\r\n{{"volunteer": 1, "number": 3, "score": 2.5}}',
    }.items():
        shutil.copytree(root / "study", root / name)
        (root / name / "request.http").write_bytes(text.encode())
    shutil.rmtree(root / "study")


def use_request(root: Path) -> None:
    """A traceback of the server is seen by what it prints."""
    request = root / "request.http"
    with open_page(Study(root / "study", [root / "a", root / "b"], samples=1)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with suppress(OSError), socket.create_connection(server.server_address[:2], timeout=3) as line:
            line.sendall(request.read_bytes() if request.is_file() else b"")
            line.shutdown(socket.SHUT_WR)
            while line.recv(1 << 16):
                pass
        server.shutdown()


# -- pictures and meshes


def valid_images(root: Path) -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (12, 9, 3), dtype=np.uint8))
    for mode in ("1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "I", "F", "LAB", "HSV", "YCbCr"):
        for ending in ("png", "tif", "jpg", "webp", "gif", "bmp"):
            try:
                made = picture.convert("L").convert(mode) if mode.startswith("I") or mode == "F" else picture.convert(mode)
                made.save(folder(root, f"{mode.replace(';', '')}-{ending}") / f"image.{ending}")
            except (OSError, ValueError, KeyError):
                shutil.rmtree(root / f"{mode.replace(';', '')}-{ending}", ignore_errors=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder(root, "turned") / "image.jpg", exif=exif)
    Image.new("1", (12_000, 12_000)).save(folder(root, "huge") / "image.png")
    Image.new("P", (9_000, 9_000)).save(folder(root, "huge-gif") / "image.gif")
    picture.save(folder(root, "film") / "image.webp", save_all=True, append_images=[picture.rotate(90)] * 3)


def use_image(root: Path) -> None:
    path = the_file(root, "image", "png tif jpg webp gif bmp")
    picture = read_image(path)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise Silent("a picture of another form")
    background_image(str(path), 8, 8)
    read_texture(path)


POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
TRIANGLES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)


def valid_plys(root: Path) -> None:
    data = ply_bytes(POINTS, TRIANGLES, POINTS, COLOURS, "four")
    (folder(root, "binary") / "mesh.ply").write_bytes(data)
    head = data[: data.index(b"end_header")].replace(b"binary_little_endian", b"ascii") + b"end_header\n"
    rows = [" ".join(map(str, (*p, *p, *c))) for p, c in zip(POINTS, COLOURS, strict=True)]
    rows += ["3 " + " ".join(map(str, t)) for t in TRIANGLES] + [""]
    (folder(root, "text") / "mesh.ply").write_bytes(head + "\n".join(rows).encode())


def valid_objs(root: Path) -> None:
    place = folder(root, "textured")
    write_texture(place / "red.png", (255, 0, 0))
    write_obj(place / "mesh.obj", POINTS, TRIANGLES, "red.png")
    lines = [f"v {' '.join(map(str, (*p, *c / 255)))}" for p, c in zip(POINTS, COLOURS, strict=True)]
    (folder(root, "coloured") / "mesh.obj").write_text("\n".join([*lines, "f 1 2 3 4", "f -1 -2 -3", ""]))


def valid_glbs(root: Path) -> None:
    save_glb(folder(root, "mesh") / "mesh.glb", POINTS, TRIANGLES, POINTS, COLOURS)
    gltf, red = Gltf(), io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(red, "PNG")
    texture = {"index": gltf.add_texture(red.getvalue(), "red"), "texCoord": 0}
    shown = {"baseColorTexture": texture, "baseColorFactor": [1, 1, 1, 1]}
    uv = gltf.add(POINTS[:, :2].copy(), VERTICES)
    primitive = {
        "attributes": {"POSITION": gltf.add(POINTS, VERTICES, bounds=True), "TEXCOORD_0": uv},
        "indices": gltf.add(TRIANGLES.astype(np.uint16).ravel(), INDICES),
        "material": gltf.append("materials", {"pbrMetallicRoughness": shown}),
    }
    mesh, skin = gltf.append("meshes", {"primitives": [primitive]}), gltf.append("skins", {"joints": [1]})
    turned = {"rotation": [0, 0.6, 0, 0.8], "scale": [2, 2, 2], "translation": [0, 1, 0], "children": [0, 2]}
    nodes = ({"mesh": mesh, "skin": skin}, turned, {"mesh": mesh})
    for node in nodes:
        gltf.append("nodes", node)
    gltf.save(folder(root, "textured") / "mesh.glb", [1])


def use_mesh(root: Path) -> None:
    mesh = read_mesh(the_file(root, "mesh", "ply obj glb"))
    thirds = np.full((min(len(mesh.faces), 1000), 3), 1 / 3)
    colours = mesh.colours_at(np.arange(len(thirds)), thirds)
    if not np.isfinite(np.asarray(colours, np.float64)).all():
        raise Silent("colours that are not finite")


# -- pickles


def valid_flames(root: Path) -> None:
    found = arrays()
    (folder(root, "pkl") / "flame.pkl").write_bytes(flame_pickle())
    np.savez(folder(root, "npz") / "flame.npz", **found)  # type: ignore[arg-type]
    save_file({n: np.ascontiguousarray(v) for n, v in found.items()}, folder(root, "safetensors") / "flame.safetensors")


def use_flame(root: Path) -> None:
    rig = load_flame(the_file(root, "flame", "pkl npz safetensors"))
    if not torch.isfinite(rig().vertices).all():
        raise Silent("a rig that is not finite")


def valid_snapshots(root: Path) -> None:
    for family in ("panohead", "eg3d"):
        (folder(root, family) / "original.pkl").write_bytes(dumps(snapshot(original_generator(family))))


def valid_checkpoints(root: Path) -> None:
    small = replace(SMALL, canonical=CanonicalConfig(4, 3, 2, geometry_width=40, normal_width=48, texture_width=52))
    written(folder(root, "ganhead") / "original.ckpt", original_names(GANHead(small)))


def use_original(root: Path) -> None:
    main(["convert", str(the_file(root, "original", "pkl ckpt")), str(root / "out.safetensors")])


# -- lists of numbers


def valid_clips(root: Path) -> None:
    frame = {"expression": {"jawOpen": 0.5}, "joint_pose": [[0.0, 0.1, 0.0]] * len(JOINTS), "yaw": 0.1, "pitch": 0.2}
    (folder(root, "clip") / "clip.json").write_text(json.dumps({"fps": 24, "frames": [frame] * 3}))


def use_clip(root: Path) -> None:
    clip = read_clip(root / "clip.json")
    face, turns = clip.poses.expression, clip.poses.joint_pose
    if not (torch.isfinite(face).all() and torch.isfinite(turns).all() and torch.isfinite(clip.cameras.c2w).all()):
        raise Silent("a clip that is not finite")
    if face.shape[1:] != (len(ARKIT),) or turns.shape[1:] != (len(JOINTS), 3) or not len(face):
        raise Silent("a clip of another form")
    if face.min() < 0 or face.max() > 1 or turns.abs().max() > 100 or not 0 < clip.fps <= 1000:
        raise Silent("a clip beyond all bounds")


def valid_landmarks(root: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(68, 3)).tolist()
    (folder(root, "json") / "landmarks.json").write_text(json.dumps(rows))
    (folder(root, "text") / "landmarks.txt").write_text("\n".join(" ".join(map(str, row)) for row in rows))


def use_landmarks(root: Path) -> None:
    if read_landmarks(the_file(root, "landmarks", "txt json")).shape != (68, 3):
        raise Silent("landmarks of another form")


def valid_cameras(root: Path) -> None:
    for form in ("bin", "txt"):
        shutil.copytree(COLMAP / form, root / form)
    read = read_cameras(COLMAP / "bin")
    straight = replace(read, distortion=torch.zeros_like(read.distortion))
    for kind, name in (("eg3d", "json"), ("blender", "json"), ("nerf", "json"), ("opencv", "json"), ("opencv", "npz")):
        write_cameras(straight, folder(root, kind + name) / f"cameras.{name}", to=kind)


def use_cameras(root: Path) -> None:
    path = the_file(root, "cameras", "json npz")
    cameras = read_cameras(path if path.exists() else root)
    if not (torch.isfinite(cameras.c2w).all() and torch.isfinite(cameras.K).all() and len(cameras.names) == len(cameras.c2w)):
        raise Silent("cameras that are not finite")
    write_cameras(cameras, folder(root, "out") / "transforms.json", size=8)
    write_cameras(cameras, root / "out" / "model", size=8)


# -- sets


def valid_photos(root: Path) -> None:
    """In folders, in a zip for each folder, and in shards of both forms."""
    plain = write_photos(root / "folder", yaws=(0.0, 2.0), size=16)
    files = sorted(path for path in plain.rglob("*.png"))
    for name in ("zips", "zip", "tar"):
        place = folder(root, name)
        folder(place, "img").joinpath("dataset.json").write_bytes((plain / "img" / "dataset.json").read_bytes())
        if name == "tar":
            with tarfile.open(place / "photos-000000.tar", "w") as shard:
                for path in files:
                    field, *parts = path.relative_to(plain).parts
                    shard.add(path, f"{parts[0]}/{path.stem}.{field}.png")
        for path in files if name != "tar" else ():
            inside = path.relative_to(plain)
            archive, within = (
                (place / "photos.zip", inside) if name == "zip" else (place / f"{inside.parts[0]}.zip", Path(*inside.parts[1:]))
            )
            with zipfile.ZipFile(archive, "a") as shard:
                shard.write(path, within)
        if name == "zips":
            with zipfile.ZipFile(place / "img.zip", "a") as shard:
                shard.write(place / "img" / "dataset.json", "dataset.json")
        else:
            about = {"kind": "photos", "form": name, "settings": {}, "folders": {"img": "img", "seg": "seg"}}
            (place / "set.json").write_text(json.dumps(about))
            sums = [f"{sha256(path)}  {path.name}" for path in place.glob("photos*")]
            (place / "SHA256SUMS").write_text("\n".join([*sums, ""]))


def use_photos(root: Path) -> None:
    if (root / "set.json").is_file():
        _ended(main, ["synth", "check", str(root)])
    photos = PhotoSet(root, mirror=True)
    batch = photos.batch(torch.arange(len(photos))[:4])
    if not torch.isfinite(batch.label).all():
        raise Silent("cameras that are not finite")


def valid_prepared(root: Path) -> None:
    write_balls(root / "balls", count=70)


def use_prepared(root: Path) -> None:
    scans, generator = ScanSet(root), torch.Generator().manual_seed(0)
    who = scans.draw(2, generator)
    scans.occupancy(who, 3, 3, generator), scans.surface(who, 3, generator), scans.view(who, torch.tensor([0, 1]))


def valid_scans(root: Path) -> None:
    template = load_template()
    write_synth(root / "synth", template, template_in_cube(template))
    for scan in ("s0000/01", "s0001", "s0002"):  # one is enough
        for path in (root / "synth").glob(f"*/{scan}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_obj(folder(root, "files") / "one" / "a.obj", POINTS, TRIANGLES)


def use_scans(root: Path) -> None:
    if (root / "set.json").is_file():
        check_set(root)
    for raw in (False, True):
        for scan in find_scans(root, raw=raw):
            mesh = read_scan(scan)
            if scan.ground_truth is not None:
                from fullhead.data.registration import scan_landmarks

                scan_landmarks(scan, mesh, None)


# -- command lines


def valid_commands(root: Path) -> None:
    place = folder(root, "commands")
    for name, model in small_models():
        checkpoint.save(model, place / f"{name}.safetensors")
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(place / "photo.png")
    write_obj(place / "scans" / "scan.obj", POINTS, TRIANGLES)
    valid_landmarks(place / "landmarks")
    shutil.move(place / "landmarks" / "text" / "landmarks.txt", place / "scans" / "scan_landmarks.txt")
    shutil.rmtree(place / "landmarks")
    write_photos(place / "photos", yaws=(0.0, 2.0))
    valid_clips(place / "clips")
    shutil.move(place / "clips" / "clip" / "clip.json", place / "clip.json")
    shutil.rmtree(place / "clips")
    valid_studies(place / "studies")
    for method in ("a", "b"):
        shutil.move(place / "studies" / "study" / method, place / method)
    shutil.rmtree(place / "studies")
    commands = {name: command for name, command in COMMANDS.items() if name != "synth"}
    commands |= {f"synth {name}": command for name, command in SYNTH.items()}
    options = {
        name: [word.replace("_", "-") for word in _names(command) if word != "return"] for name, command in commands.items()
    }
    (root / "options.json").write_text(json.dumps(options))
    (place / "command.json").write_text(json.dumps(["presets"]))


def use_command(root: Path) -> None:
    main(json.loads((root / "command.json").read_text()))


KINDS = {
    "model": Kind(valid_models, use_model, seconds=20),
    "run": Kind(valid_runs, use_run, seconds=20, patient=True),
    "study": Kind(valid_studies, use_study),
    "request": Kind(valid_requests, use_request),
    "image": Kind(valid_images, use_image),
    "ply": Kind(valid_plys, use_mesh),
    "obj": Kind(valid_objs, use_mesh),
    "glb": Kind(valid_glbs, use_mesh),
    "flame": Kind(valid_flames, use_flame),
    "snapshot": Kind(valid_snapshots, use_original),
    "checkpoint": Kind(valid_checkpoints, use_original),
    "clip": Kind(valid_clips, use_clip),
    "landmarks": Kind(valid_landmarks, use_landmarks),
    "cameras": Kind(valid_cameras, use_cameras),
    "photos": Kind(valid_photos, use_photos),
    "prepared": Kind(valid_prepared, use_prepared),
    "scans": Kind(valid_scans, use_scans),
    "command": Kind(valid_commands, use_command, seconds=8, patient=True),
}
