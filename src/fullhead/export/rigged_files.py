"""A rigged head as files: .glb with skeleton, morph targets and clips; .obj and .ply of the resting mesh."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from fullhead.core.colour import from_bytes, srgb_from_linear
from fullhead.core.errors import FullheadError
from fullhead.core.tri_mesh import TriMesh, joined
from fullhead.export.clips import CLIPS, AnimationClip, quaternions
from fullhead.export.mesh import save_mesh
from fullhead.export.posable import Layer, Material, RiggedHead
from fullhead.io.files import check_suffix, written_whole
from fullhead.io.gltf_writer import INDICES, VERTICES, Gltf
from fullhead.rig.template import JOINTS

SUFFIXES = (".glb", ".obj", ".ply")


def check_rigged_path(path: str | Path, clip: str | None = None) -> Path:
    """`path` as a Path if a head can be written there, with a clip where one is wanted; call it before the head is built."""
    path = check_suffix(path, SUFFIXES, "a head")
    if clip is not None and clip not in CLIPS:
        raise FullheadError(f"no clip {clip!r}: choose one of {', '.join(CLIPS)}")
    if clip is not None and path.suffix.lower() != ".glb":
        raise FullheadError(f"a clip needs a .glb: {path.suffix} files do not move")
    return path


def save_rigged(head: RiggedHead, path: str | Path, clip: str | None = None) -> Path:
    """Write a head: .glb with skeleton, morph targets and perhaps one of CLIPS; .obj (with .mtl and textures beside it) or
    .ply (coloured at the vertices) at rest."""
    path = check_rigged_path(path, clip)
    if path.suffix.lower() == ".glb":
        _save_glb(head, path, None if clip is None else _clip_for(head, clip))
    elif path.suffix.lower() == ".obj":
        _save_obj(head, path)
    else:
        save_mesh(posed_mesh(head, {}), path)
    return path


def _clip_for(head: RiggedHead, name: str) -> AnimationClip:
    clip = CLIPS[name]()
    if not set(head.expressions) & set(clip.weights):
        raise FullheadError(f"the animation {name} moves ARKit's expressions, and this head has others: write it without")
    return clip


def _save_glb(head: RiggedHead, path: Path, clip: AnimationClip | None) -> None:
    """One mesh and material per layer, all hung on one skeleton."""
    gltf = Gltf()
    joints = _skeleton(gltf, head)
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    inverse[:, 3, :3] = -head.joints  # columns first
    skin = gltf.append("skins", {"joints": joints, "skeleton": joints[0], "inverseBindMatrices": gltf.add(inverse)})
    nodes = [joints[0]]
    for layer in head.layers:
        names = [name for name in head.expressions if layer is head.layers[0] or name in layer.targets]
        mesh = gltf.append("meshes", _mesh(gltf, layer, names))
        nodes.append(gltf.append("nodes", {"name": layer.name, "mesh": mesh, "skin": skin}))
    if clip is not None:
        _animate(gltf, clip, joints)
    gltf.save(path, nodes)


def _animate(gltf: Gltf, clip: AnimationClip, joints: list[int]) -> None:
    """The clip as an animation: weights of every mesh that has the targets, rotations of joints."""
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    times = gltf.add(clip.times.astype(np.float32), bounds=True)

    def channel(node: int, path: str, values: NDArray) -> None:
        samplers.append({"input": times, "output": gltf.add(values.astype(np.float32)), "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

    for number, node in enumerate(gltf.parts["nodes"]):
        names = gltf.parts["meshes"][node["mesh"]].get("extras", {}).get("targetNames", []) if "mesh" in node else []
        if set(names) & set(clip.weights):
            still = np.zeros(len(clip.times))
            channel(number, "weights", np.stack([clip.weights.get(name, still) for name in names], axis=1).ravel())
    for name, turns in clip.turns.items():
        channel(joints[JOINTS.index(name)], "rotation", quaternions(turns))
    gltf.append("animations", {"name": clip.name, "samplers": samplers, "channels": channels})


def _skeleton(gltf: Gltf, head: RiggedHead) -> list[int]:
    """Nodes of the joints, children below their parents."""
    numbers = []
    for joint, parent in enumerate(head.parents):
        place = head.joints[joint] - (head.joints[parent] if parent >= 0 else 0)
        numbers.append(gltf.append("nodes", {"name": JOINTS[joint], "translation": place.tolist()}))
        if parent >= 0:
            gltf.parts["nodes"][numbers[parent]].setdefault("children", []).append(numbers[joint])
    gltf.parts["nodes"][numbers[0]]["extras"] = {"metres_per_unit": head.metres_per_unit}
    return numbers


def _mesh(gltf: Gltf, layer: Layer, names: list[str]) -> dict[str, Any]:
    """A mesh with attributes, skin weights and the targets `names`."""
    used = layer.weights.argsort(axis=1)[:, :-5:-1]  # [V, 4]
    weights = np.take_along_axis(layer.weights, used, axis=1)
    weights = _sixteen_bits(weights / weights.sum(1, keepdims=True))
    weights[:, 0] += np.uint16(65535) - weights.sum(1, dtype=np.uint16)
    attributes = {
        "POSITION": gltf.add(layer.vertices, VERTICES, bounds=True),
        "NORMAL": gltf.add(layer.normals.astype(np.float32), VERTICES),
        "JOINTS_0": gltf.add(np.where(weights > 0, used, 0).astype(np.uint8), VERTICES),
        "WEIGHTS_0": gltf.add(weights, VERTICES, normalized=True),
    }
    if layer.uv is not None:
        uv = np.stack([layer.uv[:, 0], 1 - layer.uv[:, 1]], axis=-1)
        attributes["TEXCOORD_0"] = gltf.add(_sixteen_bits(uv), VERTICES, normalized=True)
    if layer.tangents is not None:
        right_handed = np.ones((len(layer.tangents), 1))
        attributes["TANGENT"] = gltf.add(np.hstack([layer.tangents, right_handed]).astype(np.float32), VERTICES)
    if layer.light.min() < 1:
        opaque = np.ones((len(layer.light), 1))
        attributes["COLOR_0"] = gltf.add(_sixteen_bits(np.hstack([layer.light, opaque])), VERTICES, normalized=True)
    index = np.uint16 if len(layer.vertices) < 65535 else np.uint32
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": gltf.add(layer.faces.astype(index).ravel(), INDICES),
        "material": _material(gltf, layer.name, layer.material),
    }
    if not names:
        return {"name": layer.name, "primitives": [primitive]}
    flat = not any(np.any(target.normal_offsets) for target in layer.targets.values())
    primitive["targets"] = []
    for name in names:
        target = layer.targets.get(name)
        rows = np.zeros(0, int) if target is None else target.rows
        offsets = np.zeros((0, 3), np.float32) if target is None else target.offsets
        turns = np.zeros((0, 3), np.float32) if target is None else target.normal_offsets.astype(np.float32)
        values = {"POSITION": offsets} if flat else {"POSITION": offsets, "NORMAL": turns}
        primitive["targets"].append(gltf.add_offsets(len(layer.vertices), rows, values))
    return {"name": layer.name, "primitives": [primitive], "weights": [0.0] * len(names), "extras": {"targetNames": names}}


def _sixteen_bits(values: NDArray) -> NDArray[np.uint16]:
    return np.floor(np.clip(values, 0, 1) * 65535).astype(np.uint16)


def _material(gltf: Gltf, name: str, material: Material) -> int:
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": material.roughness}
    found: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
    if material.colour is not None:
        surface["baseColorTexture"] = {"index": gltf.add_texture(encoded(material.colour), f"{name}_colour")}
    if material.surface is not None:
        texture = {"index": gltf.add_texture(encoded(material.surface), f"{name}_surface")}
        surface["metallicRoughnessTexture"] = found["occlusionTexture"] = texture
    if material.normal_map is not None:
        found["normalTexture"] = {"index": gltf.add_texture(encoded(material.normal_map), f"{name}_relief")}
    if material.cut_out:
        found["alphaMode"] = "MASK"
    elif material.alpha < 1:
        found["alphaMode"], surface["baseColorFactor"] = "BLEND", [1.0, 1.0, 1.0, material.alpha]
    if material.both_sides:
        found["doubleSided"] = True
    extensions: dict[str, Any] = {}
    if material.clearcoat:
        extensions["KHR_materials_clearcoat"] = {"clearcoatFactor": material.clearcoat, "clearcoatRoughnessFactor": 0.03}
    if material.gloss != 1:
        extensions["KHR_materials_specular"] = {"specularFactor": material.gloss}
    if extensions:
        found["extensions"] = extensions
        gltf.parts["extensionsUsed"] = sorted({*gltf.parts.get("extensionsUsed", []), *extensions})
    return gltf.append("materials", found)


def encoded(image: NDArray[np.uint8]) -> bytes:
    """PNG of a small picture, JPEG of a large one."""
    stream = io.BytesIO()
    if image.size < 2**18:
        Image.fromarray(image).save(stream, "PNG", optimize=True)
    else:
        Image.fromarray(image).save(stream, "JPEG", quality=92, subsampling=0)
    return stream.getvalue()


def _save_obj(head: RiggedHead, path: Path) -> None:
    """OBJ at rest, one object per layer; its materials and textures are written first, beside it."""
    materials, first, first_uv = [], 1, 1
    with written_whole(path) as temporary, ExitStack() as all_or_none, temporary.open("w") as file:
        file.write(f"# metres, +y up, face along +z\nmtllib {path.stem}.mtl\n")
        for layer in head.layers:
            material = layer.material
            lines = [f"newmtl {layer.name}", "Kd 1 1 1", "Ks 0.04 0.04 0.04"]
            lines += [f"Pr {material.roughness:.2f}", f"d {material.alpha:.2f}"]
            file.write(f"o {layer.name}\nusemtl {layer.name}\n")
            np.savetxt(file, np.hstack([layer.vertices, srgb_from_linear(layer.light)]), "v %.6f %.6f %.6f %.3f %.3f %.3f")
            np.savetxt(file, layer.normals, "vn %.4f %.4f %.4f")
            corners = [layer.faces + first] * 2
            if layer.uv is not None and material.colour is not None:
                data = encoded(material.colour)
                texture = path.with_name(f"{path.stem}_{layer.name}.{'png' if data[1:4] == b'PNG' else 'jpg'}")
                all_or_none.enter_context(written_whole(texture)).write_bytes(data)
                lines += [f"map_Kd {texture.name}"] + [f"map_d {texture.name}"] * material.cut_out
                np.savetxt(file, layer.uv, "vt %.5f %.5f")
                corners.insert(1, layer.faces + first_uv)
                first_uv += len(layer.uv)
            face = "f " + " ".join(3 * ["/".join(["%d"] * 3) if len(corners) == 3 else "%d//%d"])
            np.savetxt(file, np.stack(corners, axis=-1).reshape(-1, 3 * len(corners)), face)
            materials.append("\n".join(lines))
            first += len(layer.vertices)
        all_or_none.enter_context(written_whole(path.with_suffix(".mtl"))).write_text("\n\n".join(materials) + "\n")


def posed_mesh(head: RiggedHead, expression: Mapping[str, float]) -> TriMesh[NDArray]:
    """All layers as one mesh in metres, coloured at the vertices, with the targets of an expression at these weights."""
    layers = []
    for layer in head.layers:
        vertices = layer.vertices.copy()
        for name in expression.keys() & layer.targets.keys():
            vertices[layer.targets[name].rows] += expression[name] * layer.targets[name].offsets
        layers.append(_coloured(replace(layer, vertices=vertices)))
    return joined(layers)


def _coloured(layer: Layer) -> TriMesh[NDArray]:
    """With the colour at every vertex that the picture has there, times the layer's light."""
    colours = 255 * srgb_from_linear(layer.light)
    if layer.uv is not None and layer.material.colour is not None:
        image = layer.material.colour[..., :3].astype(float)
        height, width = image.shape[:2]
        rows, columns = (1 - layer.uv[:, 1]) * height - 0.5, layer.uv[:, 0] * width - 0.5
        channels = [ndimage.map_coordinates(image[..., c], [rows, columns], order=1, mode="nearest") for c in range(3)]
        colours *= np.stack(channels, axis=1) / 255
    return TriMesh(layer.vertices, layer.faces, layer.normals.astype(np.float32), from_bytes(colours.round()))
