"""The whole road with FLAME instead of our rig: a file as its licensees have it (its heads here are our template's), a set
prepared with it, a model trained on that, a head sampled."""

from pathlib import Path

import numpy as np
import pytest

from fullhead.cli import main
from fullhead.data.scan_set import ScanSet
from fullhead.families.opening import load
from fullhead.families.table import GANHeadOptions
from fullhead.models.ganhead import GANHead
from fullhead.models.head import RenderOptions
from fullhead.rig.identity import main_shape_rig
from fullhead.rig.template import LEFT_EYE, Template

FEW = ["--shapes", "20", "--near", "400", "--uniform", "300", "--surface", "500", "--size", "48", "--workers", "0"]


def write_flame(path: Path, template: Template, eyes: tuple[float, float, float] = (0.0, 0.035, 0.03)) -> Path:
    """Our template's mean head, main shapes and expressions under FLAME's names, its eyes where FLAME's are; metres."""
    rig = main_shape_rig(template)
    shift = np.array(eyes) - rig.metres * rig.rest_joints[LEFT_EYE:].double().mean(0).numpy()
    vertices, joints = (rig.metres * x.double().numpy() + shift for x in (rig.template, rig.rest_joints))
    basis = np.zeros((len(vertices), 3, 400), np.float32)
    for start, part in ((0, rig.shape_basis), (300, rig.expression_basis[: len(rig.expression_names)])):
        basis[..., start : start + len(part)] = rig.metres * part.permute(1, 2, 0).numpy()
    regressor = np.zeros((len(joints), len(vertices)))
    for joint, place in enumerate(joints):  # weights that sum to 1, of the vertices about a joint
        near = np.linalg.norm(vertices - place, axis=1).argsort()[:200]
        around = np.vstack([vertices[near].T, np.ones(len(near))])
        regressor[joint, near] = np.linalg.lstsq(around, np.append(place, 1), rcond=None)[0]
    arrays = {
        "v_template": vertices,
        "f": rig.faces.numpy(),
        "shapedirs": basis,
        "posedirs": np.zeros((len(vertices), 3, 36), np.float32),
        "J_regressor": regressor,
        "weights": rig.skin_weights.numpy(),
        "kintree_table": np.array([[2**32 - 1, *rig.parents[1:]], range(len(joints))], np.uint32),
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_a_head_that_flame_moves_is_prepared_trained_and_sampled(synth_scans: Path, template: Template, tmp_path: Path):
    flame, prepared = write_flame(tmp_path / "flame.npz", template), tmp_path / "prepared"
    main(["prepare", str(synth_scans), str(prepared), "--flame", str(flame), *FEW])
    scans = ScanSet(prepared)
    assert scans.about["rig"] == "flame" and scans.expression.shape[1] == 50
    settings = [f"flame={flame}", "loop.images=4", "task.coarse_images=2"]
    main(["train", "ganhead-tiny", str(prepared), str(tmp_path / "run"), "--set", *settings])
    model = load(tmp_path / "run" / "model.safetensors", options=GANHeadOptions(flame))
    assert isinstance(model, GANHead) and model.config.rig == "flame"
    head = model.decode(model.seed_latents([0]), model.rest_pose(), RenderOptions(resolution=16))
    assert len(head.posed) == 1


def test_a_rig_that_stands_elsewhere_is_told_of(
    synth_scans: Path, template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    flame = write_flame(tmp_path / "flame.npz", template, eyes=(0.0, 0.7, 0.0))
    with pytest.raises(SystemExit):
        main(["prepare", str(synth_scans), str(tmp_path / "prepared"), "--flame", str(flame), *FEW])
    assert "nothing of it lies in the rig's cube" in capsys.readouterr().err
