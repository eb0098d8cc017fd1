"""How GANHead learns: an auto-decoder of scans, in two stages [ganhead supp. 1.3].

    stage one   labelled points of posed space --search--> neutral points: occupancy (G), and D and C held to the rig
    stage two   points of the surface and views: normals (N) and colours (T); geometry and motion stay as they are

Every scan owns a row of the three tables of codes. N points x [N, 3] are flat, `scan` [N] says whose they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullhead.core.cache import ByteCache
from fullhead.core.cameras import orbit
from fullhead.core.devices import CPU
from fullhead.core.isosurface import NoSurfaceError
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.data.scan_set import ScanSet, ViewBatch
from fullhead.io.config import Count, Limited, Number, Positive, Share, Weight
from fullhead.io.images import contact_sheet, to_uint8
from fullhead.kernels.raster import orthographic
from fullhead.metrics.features import feature_distance, load_features
from fullhead.models.ganhead import GANHead, GANHeadCodes, GANHeadConfig, colour_pose, flat, sized_for
from fullhead.models.head import HeadPose, RenderOptions
from fullhead.representations.canonical_field import CanonicalPoints, Volume
from fullhead.representations.correspondence import find_correspondences, select_correspondences
from fullhead.representations.deformer import Deformer, Motion, Warp
from fullhead.representations.surface import Cells
from fullhead.rig.neutral import NeutralRig
from fullhead.rig.rig import Rig
from fullhead.training.loop import Clock, Phase, StepState, Terms
from fullhead.training.schedules import cosine_decay

BONE_POINTS = 5  # on every bone [ganhead supp. 1.3]
BONE_SPREAD = 0.1  # of a bone's length: how far they are shifted along it [ganhead]
RIG_POINTS = 20_000  # kept of the rig's own inside and outside
KEPT_BYTES = 2 << 30  # of coarse surfaces kept in memory
PREVIEW_SCANS, PREVIEW_SIZE, PREVIEW_RESOLUTION = 4, 160, 64

ScanStep = StepState[Tensor, None]  # on scans by their numbers [B]


@dataclass(frozen=True)
class GANHeadTaskConfig(Limited):
    """Losses and schedules. The weights are the published ones; `..._images` are counts of scans shown."""

    model: GANHeadConfig = field(default_factory=GANHeadConfig)
    coarse_images: Number = 3_000_000  # length of stage one
    fine_images: Number = 3_000_000  # and of stage two
    first_epoch: Number = 10  # showings of each scan that bones and joints are held for
    coarse_lr: Weight = 1e-3
    fine_lr: Weight = 2e-3
    cosine_fraction: Share = 0.0  # the last part of a stage, in which learning rates fall to 0 along a cosine
    code_lr_scale: Weight = 1.0  # learning rate of the codes, in those of the networks: a scan is seldom shown
    clip: Positive = 0.1  # norm of the gradients
    near: Count = 2000  # points about the surface of each scan
    uniform: Count = 250  # points anywhere
    surface: Count = 2000  # points of the surface
    feature_share: Share = 0.0  # of the points near and on the surface, from about eyes and mouth, which are small
    feature_radius: Weight = 0.08  # how far about them, in units of the cube
    vertices: Number = 0  # of the rig that D is held to in a step, at random; 0: all
    rig_vertices: Number = 0  # of the rig that C is held to in a step, at random, whether or not a scan's point is near
    rig_points: Number = 0  # about what expressions move of the rig, G is held to: lips part
    rig_occupancy: Weight = 0.2  # weight of that
    rig_images: Number = 0  # showings before those of stage one, in which C learns the rig by these alone
    deshape: Weight = 10.0  # lambda_d
    skinning: Weight = 0.2  # lambda_l
    pose: Weight = 500.0  # lambda_p
    expression: Weight = 500.0  # lambda_e
    bone: Weight = 1.0  # lambda_b
    weight: Weight = 10.0  # lambda_w
    regular: Weight = 1e-3  # lambda_r
    colour: Weight = 1.0  # lambda_c, of points and of views
    normal: Weight = 1.0  # lambda_n
    perceptual: Weight = 0.0  # weight of what a network of heads sees in the views of colours
    coarse_steps: Count = 50  # of Broyden's method, stage one
    fine_steps: Count = 10  # stage two
    view_resolution: Cells = 128  # cells of the surface that tells which point a pixel sees
    view_stride: Count = 1  # pixels of a view are taken this far apart, from a random first one


# -- terms of the losses


def occupancy_loss(at: CanonicalPoints, inside: Tensor) -> Tensor:
    """Cross-entropy of logits and `inside` [N], 1 or 0, mean over all points; points that were not found add nothing."""
    losses = F.binary_cross_entropy_with_logits(at.logit, inside, reduction="none")
    return losses[at.found].sum() / len(inside)


def skinning_loss(
    deformer: Deformer, x: Tensor, weights: Tensor, expression: Tensor, pose: Tensor, config: GANHeadTaskConfig
) -> Tensor:
    """C at neutral points x [N, 3] against skinning weights [N, J] and bases [N, 3, E], [N, P, 3]: squares, summed, mean."""
    own_weights, own_expression, own_pose = deformer.bases(x)
    off = (own_weights - weights).square().sum(dim=1)
    off = off + config.expression * (own_expression - expression).square().sum(dim=(1, 2))
    off = off + config.pose * (own_pose - pose).square().sum(dim=(1, 2))
    return off.mean()


def bone_points(joints: Tensor, parents: tuple[int, ...], noise: Tensor) -> Tensor:
    """Points on the bones from parent to child of `joints` [J, 3]: noise [B, J - 1, n] shifts them; [B, (J - 1) n, 3]."""
    bones = [(parent, child) for child, parent in enumerate(parents) if parent >= 0]
    along = (torch.linspace(0, 1, noise.shape[-1]).to(noise) + BONE_SPREAD * noise).clamp(0, 1)[..., None]
    start, end = (joints[[bone[i] for bone in bones], None] for i in (0, 1))
    return (start + along * (end - start)).flatten(1, 2)


def joint_weights(parents: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Which joints are asked for their weights, and which joint each should follow: itself, and its parent."""
    children = [child for child, parent in enumerate(parents) if parent >= 0]
    asked = [*range(len(parents)), *children]
    return asked, [*range(len(parents)), *(parents[child] for child in children)]


def regularity(codes: Tensor) -> Tensor:
    """L_reg of codes [B, .]."""
    return codes.square().mean()


def shading_losses(normals: Tensor, colours: Tensor, true_normals: Tensor, true_colours: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals [N, 3]: 1 - cosine; colours [N, 3]: squared distance; means."""
    return (1 - (normals * true_normals).sum(dim=1)).mean(), (colours - true_colours).square().sum(dim=1).mean()


# -- the task


def adam(modules: nn.ModuleList, lr: float, code_lr_scale: float) -> torch.optim.Adam:
    """Networks and codes in groups of their own, the codes' learning rate being so many times the networks'."""
    codes = [m.weight for m in modules if isinstance(m, nn.Embedding)]
    others = [p for m in modules if not isinstance(m, nn.Embedding) for p in m.parameters()]
    return torch.optim.Adam([{"params": others, "lr": lr}, {"params": codes, "lr": code_lr_scale * lr}])


@dataclass(frozen=True)
class CoarseSurface:
    """The surface of a scan after stage one, in its pose: V vertices, and where they lie in neutral space."""

    vertices: Tensor  # [V, 3]
    neutral: Tensor  # [V, 3]
    faces: Tensor  # [F, 3]
    pivot: Tensor  # [3], the root, about which views turn


class GANHeadTask:
    """The model, its two stages, and what is held fixed for them."""

    def __init__(self, config: GANHeadTaskConfig, scans: ScanSet, rig: Rig, device: torch.device = CPU) -> None:
        self.scans, self.device = scans, device
        self.config = config = replace(config, model=sized_for(replace(config.model, scans=len(scans)), rig))
        self.model = model = GANHead(config.model, rig).to(device)
        head = model.canonical
        self.coarse = nn.ModuleList([head.generator, head.geometry, model.deformer, model.shape_codes])
        self.fine = nn.ModuleList([head.normal, head.texture, model.detail_codes, model.colour_codes])
        self.adam_coarse = adam(self.coarse, config.coarse_lr, config.code_lr_scale)
        self.adam_fine = adam(self.fine, config.fine_lr, config.code_lr_scale)
        self.modules = self.results = {"model": model}
        clip, rate, end = config.clip, self.lr_scale, config.coarse_images
        self.phases = [
            Phase("coarse", self.coarse, self.adam_coarse, 1, self.coarse_loss, end=end, clip=clip, lr_scale=rate),
            Phase("fine", self.fine, self.adam_fine, 1, self.fine_loss, begin=end, clip=clip, lr_scale=rate),
        ]
        self.neutral = NeutralRig(model.rig, model.canonical_pose())
        self.rig_known = self.neutral.labelled(RIG_POINTS) if config.rig_points else None
        self.eye = load_features().to(device) if config.perceptual else None
        self.coarse_surfaces = ByteCache[int, CoarseSurface](KEPT_BYTES)

    # -- what the loop asks for

    def lr_scale(self, clock: Clock) -> float:
        """Rates fall at the end of each stage."""
        c, seen = self.config, clock.images_seen
        done = seen / c.coarse_images if seen < c.coarse_images else (seen - c.coarse_images) / c.fine_images
        return cosine_decay(done, c.cosine_fraction)

    def __len__(self) -> int:
        return len(self.scans)

    def batch(self, positions: Tensor) -> Tensor:
        """The scans themselves; what is drawn of each depends on the stage."""
        return positions.sort().values

    def after_step(self, clock: Clock) -> None:
        """No average is kept, and codes are not bounded."""

    # -- stage one [ganhead supp. Eq.1]

    def coarse_loss(self, step: ScanStep) -> Terms:
        c, model, batch, rng = self.config, self.model, step.batch, step.random.common
        terms = {"rig": c.skinning * self.rig_term(rng)} if c.rig_vertices else {}
        if terms and step.clock.images_seen < c.rig_images:
            return terms
        drawn = self.scans.occupancy(batch, c.near, c.uniform, rng)
        who = self.on_device(drawn.shape, drawn.expression, drawn.joint_pose)
        codes = model.codes(batch.to(self.device), who[0])
        volume, warp = model.canonical.volume_where_asked(codes.shape), model.deformer.warp(model.motion(*who))
        x, scan = (value.to(self.device) for value in flat(drawn.points))
        candidates = find_correspondences(warp, x, scan, steps=c.coarse_steps)
        at = select_correspondences(model.canonical, volume, warp, candidates, scan)
        terms |= {
            "occupancy": occupancy_loss(at, drawn.inside.flatten().to(self.device)),
            "skinning": c.skinning * self.skinning_term(at.x[at.found]),
            "deshape": c.deshape * self.deshape_term(codes, warp, rng),
            "regular": c.regular * regularity(codes.shape),
        }
        if self.rig_known is not None:
            terms["rig occupancy"] = c.rig_occupancy * self.rig_occupancy_term(volume, *self.rig_known, rng)
        if step.clock.images_seen < c.rig_images + c.first_epoch * len(self):
            terms["bone"] = c.bone * self.bone_term(codes, volume, rng)
            terms["weight"] = c.weight * self.weight_term()
        return terms

    def skinning_term(self, x: Tensor) -> Tensor:
        """C at neutral points [N, 3] against the nearest vertex of the neutral rig, where one is near: L_lbs.

        The published code looks for it among the vertices with the person's shape, which is another space.
        """
        vertex, near = self.neutral.nearest(x)
        return self.as_vertices(x[near], vertex[near]) if near.any() else x.sum() * 0

    def rig_term(self, rng: torch.Generator) -> Tensor:
        """C at vertices of the neutral rig."""
        vertex = self.neutral.drawn(self.config.rig_vertices, rng)
        return self.as_vertices(self.neutral.vertices[vertex], vertex)

    def rig_occupancy_term(self, volume: Volume, points: Tensor, inside: Tensor, rng: torch.Generator) -> Tensor:
        """G of every scan at such points, against the rig."""
        B, n = len(volume), self.config.rig_points
        rows = torch.randint(len(points), (B * n,), generator=rng).to(self.device)
        scan = torch.arange(B, device=self.device).repeat_interleave(n)
        logit = self.model.canonical.occupancy(volume, points[rows], scan)
        return F.binary_cross_entropy_with_logits(logit, inside[rows])

    def as_vertices(self, x: Tensor, vertex: Tensor) -> Tensor:
        """C at neutral points [N, 3] against the rig at its vertices [N]."""
        return skinning_loss(self.model.deformer, x, *self.neutral.motion(vertex), self.config)

    def deshape_term(self, codes: GANHeadCodes, warp: Warp, rng: torch.Generator) -> Tensor:
        """D takes every vertex of the canonical rig to that of the mean head: L_deshape."""
        vertices, neutral = self.model.rig(codes.rig_shape, None, self.model.canonical_pose()).vertices, self.neutral.vertices
        if self.config.vertices:
            some = torch.randint(len(neutral), (self.config.vertices,), generator=rng).to(self.device)
            vertices, neutral = vertices[:, some], neutral[some]
        x, scan = flat(vertices)
        return (warp.neutral(x, scan).view_as(vertices) - neutral).square().mean()

    def bone_term(self, codes: GANHeadCodes, volume: Volume, rng: torch.Generator) -> Tensor:
        """Points on the bones, as far as they lie in the cube, are inside [ganhead supp. Eq.2]."""
        parents = self.model.rig.parents
        noise = torch.randn(len(codes), len(parents) - 1, BONE_POINTS, generator=rng).to(self.device)
        x, scan = flat(bone_points(self.neutral.joints, parents, noise))
        within = (x.abs() <= 1).all(dim=1)
        at = self.model.at_canonical(volume, codes.rig_shape, x[within], scan[within])
        return F.softplus(-at.logit).mean()

    def weight_term(self) -> Tensor:
        """Joints follow themselves and their parents alone [ganhead supp. Eq.2]."""
        asked, followed = joint_weights(self.model.rig.parents)
        weights = self.model.deformer.weights(self.neutral.joints[asked])
        return (weights - F.one_hot(torch.tensor(followed), weights.shape[1]).to(weights)).square().mean()

    # -- stage two

    def fine_loss(self, step: ScanStep) -> Terms:
        c, batch, rng = self.config, step.batch, step.random.common
        codes = self.model.codes(batch.to(self.device), self.scans.shape[batch].to(self.device))
        with torch.no_grad():
            volume = self.model.canonical.volume_where_asked(codes.shape)
        of_normals, of_colours = self.surface_terms(batch, codes, volume, rng)
        terms = {"normal": c.normal * of_normals, "colour": c.colour * of_colours}
        terms |= self.view_terms(batch, codes, volume, rng)
        terms["regular"] = c.regular * (regularity(codes.detail) + regularity(codes.colour))
        return terms

    def surface_terms(self, batch: Tensor, codes: GANHeadCodes, volume: Volume, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normals and colours at points of the scans' surfaces."""
        drawn = self.scans.surface(batch, self.config.surface, rng)
        who = self.on_device(drawn.shape, drawn.expression, drawn.joint_pose)
        motion = self.model.motion(*who)
        x, scan = (value.to(self.device) for value in flat(drawn.points))
        with torch.no_grad():
            at = self.model.at_posed(volume, motion, x, scan, steps=self.config.fine_steps)
        found = at.found
        at = CanonicalPoints(*(value[found] for value in vars(at).values()))
        true = (value.flatten(0, 1).to(self.device)[found] for value in (drawn.normals, drawn.colours))
        return shading_losses(*self.shaded(codes, motion, at, colour_pose(*who[1:])), *true)

    def view_terms(self, batch: Tensor, codes: GANHeadCodes, volume: Volume, rng: torch.Generator) -> Terms:
        """One view of each scan: squared errors of the pixels that both the scan and the coarse surface fill."""
        views = torch.randint(self.scans.views, (len(batch),), generator=rng)
        first = torch.randint(self.config.view_stride, (2,), generator=rng).tolist()
        seen = self.thinned(self.scans.view(batch, views), first)
        neutral, known = zip(*(self.seen_points(i, view, first) for i, view in zip(batch, views, strict=True)), strict=True)
        both = torch.stack(known) & (seen.mask[:, 0] > 0)  # [B, H, W]
        scan, row, column = both.nonzero(as_tuple=True)
        x, scan = torch.stack(neutral)[scan, row, column].to(self.device), scan.to(self.device)
        who = self.on_device(seen.shape, seen.expression, seen.joint_pose)
        with torch.no_grad():
            at = self.model.at_neutral(volume, x, scan)
        shades = self.shaded(codes, self.model.motion(*who), at, colour_pose(*who[1:]))
        terms, blank = {}, torch.ones_like(seen.colours).to(self.device)
        places = scan, row.to(self.device), column.to(self.device)
        for name, values, weight in zip(("normal", "colour"), shades, (self.config.normal, self.config.colour), strict=True):
            true = getattr(seen, f"{name}s").to(self.device)
            shown = blank.permute(0, 2, 3, 1).index_put(places, values).permute(0, 3, 1, 2)
            wanted = torch.where(both[:, None].to(self.device), true, blank)
            terms[f"view {name}"] = weight * (shown - wanted).square().mean()
            if self.eye is not None and name == "colour":
                distance = feature_distance(self.eye(shown)[0], self.eye(wanted)[0]).mean()
                terms["view perceptual"] = self.config.perceptual * distance
        return terms

    def shaded(self, codes: GANHeadCodes, motion: Motion, at: CanonicalPoints, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Posed unit normals [N, 3] and colours [N, 3]."""
        normals, feature = self.model.normals(codes.detail, at, motion)
        return normals, self.model.canonical.colours(codes.colour, pose, at, feature)

    def thinned(self, views: ViewBatch, first: list[int]) -> ViewBatch:
        """Every `view_stride`th pixel."""
        y, x = (slice(start, None, self.config.view_stride) for start in first)
        parts = {name: getattr(views, name)[:, :, y, x] for name in ("normals", "colours", "mask")}
        return replace(views, **parts, points=views.points[:, y, x])

    def seen_points(self, scan: Tensor, view: Tensor, first: list[int]) -> tuple[Tensor, Tensor]:
        """Which neutral points [H, W, 3] a view of the coarse surface shows, and where [H, W] it shows any.

        The corners' own neutral points are mixed, so nothing is searched for.
        """
        coarse = self.coarse_surfaces.get(int(scan), lambda: self.coarse_surface(int(scan)))  # stage two leaves them alone
        turn = matrix_from_axis_angle(torch.tensor([0.0, 2 * math.pi * int(view) / self.scans.views, 0.0]))
        placed = (coarse.vertices - coarse.pivot) @ turn.T + coarse.pivot
        triangle, weights, _ = orthographic(placed.numpy(), coarse.faces.numpy(), self.scans.view_size)
        y, x = (slice(start, None, self.config.view_stride) for start in first)
        corners = coarse.faces[torch.from_numpy(triangle[y, x]).long().clamp(min=0)]
        shown = (coarse.neutral[corners] * torch.from_numpy(weights[y, x]).float()[..., None]).sum(dim=-2)
        return shown, torch.from_numpy(triangle[y, x] >= 0)

    @torch.no_grad()
    def coarse_surface(self, scan: int) -> CoarseSurface:
        model, which = self.model, torch.tensor([scan])
        shape, expression, pose = self.on_device(*(of[which] for of in self.scans.parameters))
        codes = model.codes(which.to(self.device), shape)
        mesh = model.canonical_mesh(codes, model.volume(codes), self.config.view_resolution)
        pivot = model.rig(shape, expression, pose).joints[0, 0]
        parts = model.posed_vertices(codes, mesh, HeadPose(expression, pose))[0], mesh.at.x, mesh.faces, pivot
        return CoarseSurface(*(part.cpu() for part in parts))

    def on_device(self, *values: Tensor) -> tuple[Tensor, ...]:
        return tuple(value.to(self.device) for value in values)

    # -- what it looks like

    @torch.no_grad()
    def preview(self) -> np.ndarray:
        """Some scans as the model has them, a row each: bare geometry, normals and colours from the front and the side."""
        rows, cameras = [], orbit(torch.tensor([0.0, 0.9])).to(self.device)
        for scan in torch.linspace(0, len(self) - 1, min(PREVIEW_SCANS, len(self))).long()[:, None]:
            shape, expression, pose = self.on_device(*(of[scan] for of in self.scans.parameters))
            codes = self.model.codes(scan.to(self.device), shape)
            try:
                head = self.model.decode(codes, HeadPose(expression, pose), RenderOptions(resolution=PREVIEW_RESOLUTION))
            except NoSurfaceError:
                continue
            looks = (RenderOptions(PREVIEW_SIZE, shading) for shading in ("clay", "normal", "colour"))
            shown = [self.model.render(head.expand(2), cameras, look).image for look in looks]
            rows.append(list(to_uint8(torch.cat(shown))))
        return contact_sheet(rows) if rows else np.full((8, 8, 3), 255, np.uint8)
