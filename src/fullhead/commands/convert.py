"""`fullhead convert`: original checkpoints into our model files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.core.errors import FullheadError, counted
from fullhead.families.table import FAMILIES
from fullhead.io.files import check_new

RELATIVES = {"eg3d": "EG3D", "spherehead": "SphereHead"}  # which a model of another family stands for


def convert(original: Path, out: Path, /, which: Literal["G_ema", "G", "D"] = "G_ema", overwrite: bool = False) -> None:
    """Turn an original checkpoint of PanoHead, EG3D, SphereHead, Head360 (.pkl) or GANHead (.ckpt) into a model file, without
    executing anything in it.

    Args:
        original: The file of the original release, or of a training run of the original code.
        out: Model file to write (.safetensors).
        which: Network of a .pkl to take: the averaged generator, the raw generator, or the discriminator.
        overwrite: Replace out if it exists.
    """
    if out.suffix != ".safetensors":
        raise FullheadError(f"{out} must end in .safetensors")
    check_new(out, overwrite)

    from fullhead.convert.archives import is_archive

    archive = is_archive(original)
    print(f"reading {original} ({original.stat().st_size / 1e6:.0f} MB) ...", flush=True)
    say = _ganhead(original, out) if archive else _generator(original, out, which)
    print(f"{say}\nWrote {out}")


def _generator(original: Path, out: Path, which: Literal["G_ema", "G", "D"]) -> str:
    from fullhead.convert.snapshots import convert_checkpoint

    found = convert_checkpoint(original, out, which)
    family = RELATIVES.get(found.family) or FAMILIES[found.family].title
    numbers = sum(tensor.numel() for tensor in found.tensors.values())
    mesh = (
        "\nIts mesh is not in the file: to draw heads, give it one (model.use_mesh)." if "mouth_backbone" in found.parts else ""
    )
    return (
        f"Found {family} {which} ({found.parts['']}): {numbers / 1e6:.2f} million numbers in {len(found.tensors)} tensors,\n"
        f"images of {found.init_kwargs['img_resolution']} px, rendered at {found.neural_rendering_resolution} px.{mesh}"
    )


def _ganhead(original: Path, out: Path) -> str:
    from fullhead.convert.ganhead import convert_ganhead

    found = convert_ganhead(original, out)
    numbers = sum(tensor.numel() for tensor in found.tensors.values())
    sizes = found.config.canonical
    looks = "" if found.stage == 2 else " It is of the first training stage: normals and colours are untrained."
    return (
        f"Found GANHead of {counted(found.config.scans, 'scan')}: "
        f"{numbers / 1e6:.2f} million numbers in {len(found.tensors)} tensors,\n"
        f"codes of {sizes.shape_code} (shape), {sizes.detail_code} (detail) and {sizes.colour_code} (colour) numbers.{looks}\n"
        "FLAME is left out, as its licence wants it: to move the model, give your own FLAME file."
    )
