"""A GANHead fitted to one raw scan: the rig, then the shape code, then the detail and colour codes [ganhead §4].

    rig     landmarks, then distances between the surfaces: where the scan belongs, the rig's shape, the expression, the pose
    shape   labelled points about the posed scan --search--> neutral points: the occupancy that the code gives them
    looks   points of the scan's surface --search--> neutral points: the normals and colours that the codes give them

Networks stay as they are, so nothing that the search finds depends on the codes: it is done once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import Embedding

from fullhead.core import cameras as cams
from fullhead.core.cameras import Cameras
from fullhead.core.errors import FullheadError
from fullhead.core.meshes import vertex_normals
from fullhead.core.tri_mesh import TriMesh
from fullhead.data.registration import RegisteredScan, register_scan
from fullhead.data.scan_samples import (
    LabelledPoints,
    SampleConfig,
    SurfacePoints,
    head_surface,
    sample_occupancy,
    sample_scan_surface,
)
from fullhead.data.scans import ScanFile
from fullhead.eyes.reading import Reader
from fullhead.fitting.options import OnStep
from fullhead.io.images import Bytes, contact_sheet, to_uint8
from fullhead.kernels.tree import mesh_tree
from fullhead.metrics.geometry import SurfaceMetrics, surface_metrics
from fullhead.metrics.samples import samples_of_mesh, samples_of_points
from fullhead.models.ganhead import DecodedGANHead, GANHead, GANHeadCodes, colour_pose
from fullhead.models.head import HeadPose, RenderOptions
from fullhead.representations.canonical_field import CanonicalPoints, Volume
from fullhead.representations.correspondence import find_correspondences
from fullhead.representations.deformer import Motion
from fullhead.representations.surface import BOX
from fullhead.rig.cube import CubeRig, flame_cube, template_in_cube
from fullhead.rig.fitting import JAW_LINE, FitConfig
from fullhead.rig.flame import load_flame
from fullhead.rig.template import load_template
from fullhead.training.ganhead import occupancy_loss, regularity, shading_losses
from fullhead.training.schedules import rate_ramp
from fullhead.viewing.sheet import YAWS

LOG = logging.getLogger(__name__)
WORST_CHAMFER = 0.06  # of a fit that counts, in units of the cube: 12 mm of our rig's; those of procedural scans had 3 to 4 mm
SHEET_SIZE = 256  # pixels of a picture beside others
HIDDEN = 0.02  # world units behind the surface from which on a point is hidden
LEAST_SPREAD = 0.05  # deviation of a code's numbers that the rates count on at least: a table may be all alike
# Millimetres that landmarks within the face may lie off the scan, the middle one of them. Of 15 procedural scans, raw or not,
# it is 0.1 to 0.8, with noise of 2 mm on the landmarks at most 2.1.
FAR_LANDMARKS = 3.0
NOWHERE = "no point of the scan is found in the model: do its landmarks fit?"


@dataclass(frozen=True)
class FitScanConfig:
    shape_steps: int = 200
    looks_steps: int = 200
    rate: float = 0.1  # of learning, in deviations of a code's numbers in the table
    regular: float = 1e-3  # lambda_r: weight of the mean square of a code [ganhead supp. 1.3]
    near: int = 2000  # points about the surface in a step [ganhead]
    uniform: int = 250  # points anywhere [ganhead]
    surface: int = 2000  # points of the surface [ganhead]
    samples: SampleConfig = field(default_factory=lambda: SampleConfig(near=40_000, uniform=10_000, surface=40_000))
    rig: FitConfig = field(default_factory=FitConfig)


@dataclass(frozen=True)
class ScanFit:
    """Who a scan shows: `codes` of one head and its `pose`; the scan as it was `placed` in the model's cube, and what the model
    makes of it, `head`."""

    codes: GANHeadCodes
    pose: HeadPose
    placed: RegisteredScan
    head: DecodedGANHead
    likeness: SurfaceMetrics  # of both surfaces, in units of the cube
    doubt: str  # why landmarks and scan do not seem to belong together; empty where they may
    seconds: float  # of everything

    @property
    def verdict(self) -> Literal["good", "doubtful", "failed"]:
        if self.likeness.chamfer > WORST_CHAMFER:
            return "failed"
        return "doubtful" if self.doubt else "good"


def cube_rig(model: GANHead) -> CubeRig:
    """The rig that moves a model, with what it takes to fit it to a scan."""
    template, sizes = load_template(), model.config.deformer
    if model.config.rig == "template":
        return template_in_cube(template, sizes.shapes)
    if model.flame_file is None:
        raise FullheadError("FLAME moves this GANHead: give its file with --flame, in Python with model.use_flame(file)")
    return flame_cube(load_flame(model.flame_file), template, sizes.shapes, sizes.expressions)


def fit_scan(
    model: GANHead,
    cube: CubeRig,
    scan: ScanFile,
    config: FitScanConfig | None = None,
    *,
    reader: Reader | None = None,
    on_step: OnStep | None = None,
    seed: int = 0,
) -> ScanFit:
    """Fit a model, which is left as it is, to a scan; `cube` is the model's rig with what it takes to fit it.

    Landmarks come from the scan's file, or from what the reader sees. Of a scan without colours the form alone is fitted. The
    same input and seed give the same head on the same machine with the same number of threads. Raises FullheadError where the
    rig does not fit the scan; see `ScanFit.verdict` for the rest.
    """
    began, random, config = time.perf_counter(), RandomState(seed), config or FitScanConfig()
    placed = register_scan(scan, cube, load_template(), fit=True, config=config.rig, reader=reader, rng=random)
    coloured = placed.mesh.coloured
    if not coloured:
        LOG.warning("scan %s has no colours: only its form is fitted, and the head has the model's mean colours", scan.name)
    device = model.shape_codes.weight.device
    rig_shape, expression, joint_pose = (
        torch.from_numpy(x)[None].to(device) for x in (placed.shape, placed.expression, placed.joint_pose)
    )
    motion = model.motion(rig_shape, expression, joint_pose)
    generator = torch.Generator().manual_seed(seed)
    shape = fitted_shape(model, motion, *sample_occupancy(placed.mesh, config.samples, random), config, generator, on_step)
    points = sample_scan_surface(placed.mesh, config.samples, random)
    seen = colour_pose(expression, joint_pose) if coloured else None
    detail, colour = fitted_looks(model, motion, seen, shape, points, config, generator, on_step)
    codes = GANHeadCodes(shape, detail, colour, rig_shape)
    pose = HeadPose(expression, joint_pose)
    head = model.decode(codes, pose)
    truth = samples_of_points(points) if coloured else replace(samples_of_points(points), colours=None)
    alike = surface_metrics(samples_of_mesh(head.posed[0], config.samples.surface, random), truth)
    doubt = doubt_of(placed.mesh, placed.landmarks, cube.millimetres)
    return ScanFit(codes, pose, placed, head, alike, doubt, time.perf_counter() - began)


def doubt_of(mesh: TriMesh[NDArray], landmarks: NDArray, millimetres: float) -> str:
    """Why landmarks [68, 3], NaN where unknown, do not seem to be of a scan, whose unit has so many `millimetres`; else ""."""
    inner = landmarks[JAW_LINE:]
    inner = inner[np.isfinite(inner).all(axis=1)]
    if not len(inner):
        return ""
    off = float(np.median(mesh_tree(mesh.vertices, mesh.faces).closest(inner)[2])) * millimetres
    far = f"the landmarks lie {off:.0f} mm off the scan: are they of this scan, and is it not mirrored without them?"
    return far if off > FAR_LANDMARKS else ""


def fitted_shape(
    model: GANHead,
    motion: Motion,
    near: LabelledPoints,
    uniform: LabelledPoints,
    config: FitScanConfig,
    generator: torch.Generator,
    on_step: OnStep | None = None,
) -> Tensor:
    """The shape code [1, .] whose occupancy agrees best with labelled points, near the surface and anywhere."""
    sets = []
    for labelled, count in ((near, config.near), (uniform, config.uniform)):
        x, distinct = neutral_candidates(model, motion, labelled.points)
        inside = torch.from_numpy(labelled.inside).to(x)
        known = distinct.any(dim=1)
        if not known.any():
            raise FullheadError(NOWHERE)
        sets.append((x[known], distinct[known], inside[known], count))
    code = table_mean(model.shape_codes)

    def loss() -> Tensor:
        drawn = []
        for x, distinct, inside, count in sets:
            rows = some(len(x), count, generator).to(x.device)
            drawn.append((x[rows], distinct[rows], inside[rows]))
        x, distinct, inside = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        volume = model.canonical.volume_where_asked(code)
        at = model.at_neutral(volume, deepest(model, volume, x, distinct), of_one(x))
        return occupancy_loss(at, inside) + config.regular * regularity(code)

    minimise("shape", {code: model.shape_codes}, loss, config.shape_steps, config.rate, on_step)
    return code.detach()


@torch.no_grad()
def neutral_candidates(model: GANHead, motion: Motion, points: NDArray) -> tuple[Tensor, Tensor]:
    """The shape-neutral points [N, I, 3] that posed ones [N, 3] may have come from, and which of them count [N, I]."""
    x = torch.from_numpy(points).to(motion.shape)
    warp = model.deformer.warp(motion)
    found = find_correspondences(warp, x, of_one(x))
    candidates = found.x.flatten(0, 1)
    return warp.neutral(candidates, of_one(candidates)).view_as(found.x), found.distinct


@torch.no_grad()
def deepest(model: GANHead, volume: Volume, x: Tensor, distinct: Tensor) -> Tensor:
    """Of candidates x [N, I, 3], those of each point that count [N, I], the one deepest inside [N, 3]."""
    logits = torch.full_like(x[..., 0], -torch.inf)
    logits[distinct] = model.canonical.occupancy(volume, x[distinct], of_one(x[distinct]))
    return x[torch.arange(len(x), device=x.device), logits.argmax(dim=1)]


def fitted_looks(
    model: GANHead,
    motion: Motion,
    pose: Tensor | None,
    shape: Tensor,
    points: SurfacePoints,
    config: FitScanConfig,
    generator: torch.Generator,
    on_step: OnStep | None = None,
) -> tuple[Tensor, Tensor]:
    """The detail and colour codes [1, .] whose normals and colours agree best with points of the surface; `pose` [1, .] is
    what of it the colours see. None: the points have no colours, and the colour code is the table's mean."""
    x = torch.from_numpy(points.points).to(shape)
    with torch.no_grad():
        volume = model.canonical.volume(shape)
        at = model.at_posed(volume, motion, x, of_one(x))
    found = at.found.nonzero()[:, 0]
    if not len(found):
        raise FullheadError(NOWHERE)
    at = taken(at, found)
    normals = torch.from_numpy(points.normals).to(shape)[found]
    colours = torch.from_numpy(points.colours).to(shape)[found] / 127.5 - 1
    detail, colour = table_mean(model.detail_codes), table_mean(model.colour_codes)

    def loss() -> Tensor:
        rows = some(len(found), config.surface, generator).to(x.device)
        here = taken(at, rows)
        normal, feature = model.normals(detail, here, motion)
        seen = colours[rows] if pose is None else model.canonical.colours(colour, pose, here, feature)
        off_normal, off_colour = shading_losses(normal, seen, normals[rows], colours[rows])
        return off_normal + off_colour + config.regular * sum(regularity(code) for code in tables)

    tables = {detail: model.detail_codes} | ({} if pose is None else {colour: model.colour_codes})
    minimise("looks", tables, loss, config.looks_steps, config.rate, on_step)
    return detail.detach(), colour.detach()


def minimise(
    stage: str, codes: dict[Tensor, Embedding], loss: Callable[[], Tensor], steps: int, rate: float, on_step: OnStep | None
) -> None:
    """Move codes, each of a table, by Adam; rates are in deviations of the tables."""
    groups = [{"params": [code], "rate": rate * table_spread(table)} for code, table in codes.items()]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * rate_ramp(step / steps)
        found = loss()
        if not torch.isfinite(found):
            raise FullheadError(f"the fit of the {stage} broke down at step {step + 1}: is the model trained?")
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        if on_step is not None:
            on_step(stage, step + 1, steps, float(found.detach()))


def table_spread(table: Embedding) -> float:
    """How far a table's numbers lie from their means, one number."""
    weight = table.weight.detach()
    return max(float((weight - weight.mean(dim=0)).square().mean().sqrt()), LEAST_SPREAD)


def table_mean(table: Embedding) -> Tensor:
    """Where a code begins, [1, .]."""
    return table.weight.detach().mean(dim=0, keepdim=True).clone().requires_grad_(True)


def some(count: int, wanted: int, generator: torch.Generator) -> Tensor:
    """Numbers [wanted] of points below `count`, with repetition."""
    return torch.randint(count, (wanted,), generator=generator)


def of_one(x: Tensor) -> Tensor:
    """Whose points x [N, 3] are, if there is one head: [N] zeros."""
    return torch.zeros(len(x), dtype=torch.long, device=x.device)


def taken(at: CanonicalPoints, rows: Tensor) -> CanonicalPoints:
    return CanonicalPoints(*(value[rows] for value in vars(at).values()))


# -- beside the scan


def scan_mesh(mesh: TriMesh[NDArray]) -> TriMesh[Tensor]:
    """A scan in the cube as a surface to be rendered, the colour of each vertex the mean of those at its corners."""
    mesh = mesh.select_faces(head_surface(mesh))
    every, sums = np.arange(len(mesh.faces)), np.zeros_like(mesh.vertices)
    for corner, weights in zip(mesh.faces.T, np.eye(3), strict=True):
        shown = mesh.colours_at(every, np.broadcast_to(weights, (len(every), 3)))
        sums += np.stack([np.bincount(corner, channel, len(sums)) for channel in shown.T], axis=-1)
    colours = sums / np.bincount(mesh.faces.ravel(), minlength=len(sums)).clip(1)[:, None]
    vertices = mesh.vertices.astype(np.float32)
    return TriMesh(vertices, mesh.faces, vertex_normals(vertices, mesh.faces), colours.astype(np.float32)).tensors()


def scan_sheet(model: GANHead, fit: ScanFit, size: int = SHEET_SIZE) -> Bytes:
    """The scan with its landmarks; scan and fit from several sides, in their colours and as clay: uint8 [H, W, 3]."""
    scan = replace(fit.head, posed=(scan_mesh(fit.placed.mesh),))
    cameras = cams.orbit(torch.tensor(YAWS))
    rows = []
    for shading in ("colour", "clay"):
        for head in (scan, fit.head):
            render = model.render(head.expand(len(cameras)), cameras, RenderOptions(size, shading))
            rows.append(list(to_uint8(render.image)))
            if head is scan and shading == "clay":
                marks = torch.from_numpy(fit.placed.landmarks).float() * (BOX / 2)
                rows.insert(0, with_points(rows[-1], render.depth[:, 0], cameras, marks))
    labels = [f"{np.degrees(yaw):.0f}°" for yaw in YAWS]
    return contact_sheet(rows, row_labels=("landmarks", "scan", "fit", "scan", "fit"), column_labels=labels)


def with_points(pictures: Sequence[Bytes], distance: Tensor, cameras: Cameras, points: Tensor) -> list[Bytes]:
    """Pictures uint8 [size, size, 3] of as many cameras, with a dot on each of points [P, 3] that the surface, `distance` [V,
    size, size] away along the rays (0 where it is not), does not hide. Points that are not finite are left out."""
    dotted = []
    for picture, along, c2w, K in zip(pictures, distance.cpu(), cameras.c2w, cameras.K, strict=True):
        image, size = Image.fromarray(picture), len(picture)
        draw, radius = ImageDraw.Draw(image), max(1.0, size / 120)
        for ray in (points[points.isfinite().all(1)] - c2w[:3, 3]) @ c2w[:3, :3]:
            x, y = ((K @ ray)[:2] / ray[2] * size).tolist()
            if 0 <= x < size and 0 <= y < size and float(ray.norm() - along[int(y), int(x)]) < HIDDEN:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), (40, 170, 60), (255, 255, 255))
        dotted.append(np.asarray(image))
    return dotted
