"""`fullhead bilinear`: the bilinear head of many rigged heads."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import check_seed, tracked
from fullhead.core.errors import FullheadError, counted
from fullhead.io.config import Unset
from fullhead.io.files import check_new, written_whole

RANKS = (1, 5, 10, 20, 30, 50, 75, 100, 150, 200)  # numbers of an identity that are compared


def bilinear(
    source: Annotated[str, tyro.conf.Positional],
    out: Path = Path("out/head-mesh.safetensors"),
    subjects: Unset[int] = None,
    held_out: int = 20,
    identity: int = 50,
    components: int = 128,
    seed: int = 0,
    set: tuple[str, ...] = (),
    template: Unset[Path] = None,
    metres_per_unit: Unset[float] = None,
    sheet: Unset[Path] = None,
    overwrite: bool = False,
) -> None:
    """Make a mesh with a code for who a head is and 52 weights for its expression, out of many rigged heads of the same mesh.

    Only shapes count, no pictures. Heads that are held out show how well it meets new ones.

    Args:
        source: The word synth, for procedural heads; or a folder of meshes in the layout of Head360's SynHead100, as
            `fullhead synth heads360` writes it, too.
        out: Model file to write (.safetensors).
        subjects: How many heads it is made of: 400 procedural ones, or all of a folder but those held out.
        held_out: How many more heads are left out, to measure it; 0 for none.
        identity: Numbers of the code that says who a head is.
        components: Shapes that vertices are mixed of; the file grows with them.
        seed: Which procedural heads: those of a set of `fullhead synth heads360` with this seed, in its order.
        set: Who procedural heads are, as in person.men=0.2.
        template: An .obj with the faces of the meshes of a folder; by default template.obj in it.
        metres_per_unit: Length of a unit of the meshes of a folder, in which distances are told; by default 1.
        sheet: Also draw what the first numbers of the code do: .png, .jpg or .webp.
        overwrite: Replace the files that are there.
    """
    if out.suffix != ".safetensors":
        raise FullheadError(f"{out} must end in .safetensors")
    check_new(out, overwrite)
    for option, number, fewest in (
        ("--subjects", subjects, 2), ("--held-out", held_out, 0), ("--identity", identity, 1), ("--components", components, 1),
    ):  # fmt: skip
        if number is not None and not fewest <= number <= 100_000:
            raise FullheadError(f"{option} {number}: between {fewest} and 100000")
    if metres_per_unit is not None and not 1e-6 <= metres_per_unit <= 1e3:
        raise FullheadError(f"--metres-per-unit {metres_per_unit:g}: 0.001 for millimetres, 1 for metres")
    check_seed(seed)
    if sheet is not None:
        from fullhead.io.images import check_still_path

        check_still_path(check_new(sheet, overwrite))
    if source == "synth":
        from fullhead.synth.datasets.rigged_heads import procedural_heads
        from fullhead.synth.people.population import population

        if template is not None or metres_per_unit is not None:
            raise FullheadError("--template and --metres-per-unit are for a folder of meshes; procedural heads have their own")
        count, who = subjects or 400, population(set)
        read = partial(procedural_heads, range(count + held_out), seed, who)
        about = {"source": "synth", "seed": seed, "set": list(set)}
    else:
        from fullhead.data.rigged_meshes import mesh_folder

        if set or seed:
            raise FullheadError("--seed and --set are for procedural heads, whose SOURCE is the word synth")
        folder = mesh_folder(Path(source), template)
        there = len(folder.files)
        count = subjects or there - held_out
        if count < 2 or count + held_out > there:
            asked = f"the {held_out} to hold out and at least {subjects or 2} more"
            raise FullheadError(f"{source} has {counted(there, 'subject')}, not {asked}: give other --subjects and --held-out")
        read = partial(folder.read, folder.subjects[: count + held_out], metres_per_unit)
        about = {"source": Path(source).name}

    from fullhead.models.checkpoint import save
    from fullhead.representations.bilinear import fidelity, fit_bilinear

    found = read(track=partial(tracked, what="heads", total=count + held_out))
    print(f"{counted(count, 'head')} with {found.vertices.shape[2]} vertices and 52 expressions each: fitting ...", flush=True)
    mesh = fit_bilinear(found.some(slice(0, count)), identity, components)
    ranks = sorted({k for k in RANKS if k < mesh.config.identity} | {mesh.config.identity})
    ranks, new = ranks if held_out else [], found.some(slice(count, None))
    measured = {k: fidelity(mesh.truncated(k), new) for k in tracked(ranks, "lengths of the code", len(ranks))}
    errors = {str(k): {n: round(x, 4) for n, x in vars(of).items()} for k, of in measured.items()}
    about |= {"heads": list(found.names[:count]), "held_out": list(found.names[count:]), "held_out_errors": errors}
    with written_whole(out) as file, nullcontext() if sheet is None else written_whole(sheet) as picture:  # both or none
        save(mesh, file, about=about)
        if picture is not None:
            from fullhead.io.images import save_image
            from fullhead.viewing.bilinear_sheet import bilinear_sheet

            save_image(bilinear_sheet(mesh), picture)
    for k, of in measured.items():
        print(
            f"{counted(k, 'number')} of an identity: {counted(held_out, 'new head')} met within {of.millimetres:.2f} mm, the "
            f"worst within {of.worst:.2f} mm; {100 * of.explained:.2f}% of what differs between heads"
        )
    size = out.stat().st_size / 1e6
    print(f"{out}: {counted(mesh.config.identity, 'number')} of an identity, {mesh.config.components} shapes, {size:.1f} MB")
