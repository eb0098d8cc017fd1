"""`fullhead convert`: original checkpoints into our model files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fullhead.core.errors import FullheadError
from fullhead.core.files import check_place


def convert(
    original: Path,
    out: Path,
    /,
    which: Literal["G_ema", "G", "D"] = "G_ema",
    overwrite: bool = False,
) -> None:
    """Turn an original PanoHead, EG3D or SphereHead checkpoint (.pkl) into a model file, without executing anything in it.

    Args:
        original: The .pkl file of the original release, or of a training run of the original code.
        out: Model file to write (.safetensors).
        which: Network to take: the averaged generator, the raw generator, or the discriminator.
        overwrite: Replace out if it exists.
    """
    if out.suffix != ".safetensors":
        raise FullheadError(f"{out} must end in .safetensors")
    if out.exists() and not overwrite:
        raise FullheadError(f"{out} exists: choose another name, or replace it with --overwrite")
    check_place(out)

    from fullhead.convert.panohead import convert_checkpoint

    found = convert_checkpoint(original, out, which)
    family = {"panohead": "PanoHead", "eg3d": "EG3D", "spherehead": "SphereHead"}[found.family]
    numbers = sum(tensor.numel() for tensor in found.tensors.values())
    print(f"Found {family} {which} ({found.parts['']}): {numbers / 1e6:.2f} million numbers in {len(found.tensors)} tensors,")
    print(f"images of {found.init_kwargs['img_resolution']} px, rendered at {found.neural_rendering_resolution} px.")
    print(f"Wrote {out}")
