"""GANHead: an implicit head in a canonical space that learned bases and skinning weights move [ganhead].

    z_shape --> occupancy, z_detail --> normals, z_colour, pose --> colours          at shape-neutral points (G, N, T)
    posed point --search--> canonical point --D--> shape-neutral point --C--> bases and skinning weights

It is an auto-decoder: every scan of its training set owns one row of the three tables of codes. Points are in the cube
[-1, 1]^3 of its rig, flat as x [N, 3] with `scan` [N], ascending: whose point it is. World units of cameras and renders are
those of all families: the cube fills the standard view.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fullhead.core.cameras import Cameras
from fullhead.core.devices import CPU, device_of, normal
from fullhead.core.errors import FullheadError
from fullhead.core.isosurface import central_component, extract_surface
from fullhead.core.random import seed_noise
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.config import Limited
from fullhead.models.head import Batch, HeadPose, Render, RenderOptions, render_surfaces
from fullhead.models.hub import HubModel
from fullhead.nn.implicit import Rows, random_codes
from fullhead.representations.canonical_field import CanonicalConfig, CanonicalHead, CanonicalPoints, Volume
from fullhead.representations.correspondence import find_correspondences, select_correspondences
from fullhead.representations.deformer import Deformer, DeformerConfig, Motion, Skeleton, rig_motion
from fullhead.representations.surface import BOX, CanonicalMesh, Cells, Pixels
from fullhead.rig.cube import flame_in_cube, template_in_cube
from fullhead.rig.flame import load_flame
from fullhead.rig.rig import Rig
from fullhead.rig.template import load_template
from fullhead.rig.transfer import FACE_JOINTS, map_expressions

CANONICAL_JAW = 0.2  # radians that the jaw is opened by in the canonical pose [ganhead]
JAW = 2  # among the joints
MARGIN = 1.1  # of the cube that is searched for the surface, over the largest extent of the rig [ganhead]
COARSE = 16  # cells of the grid that is sampled whole [ganhead]
CODES = ("shape", "detail", "colour")  # what a scan owns
RIG = "rig"  # the shape of the rig, which may vary as codes do


@dataclass(frozen=True)
class GANHeadConfig(Limited):
    """Sizes of a GANHead. The defaults are the published ones."""

    scans: Rows = 2289  # rows of the tables of codes
    rig: Literal["template", "flame"] = "template"  # what moves it: ours, or FLAME from the user's own file
    canonical: CanonicalConfig = field(default_factory=CanonicalConfig)
    deformer: DeformerConfig = field(default_factory=DeformerConfig)
    resolution: Cells = 128  # cells along the cube in which the surface of a decoded head is found
    image_size: Pixels = 256  # pixels of a render


def sized_for(config: GANHeadConfig, rig: Rig) -> GANHeadConfig:
    """The config of a model that this rig can move."""
    joints, shapes, features, poses = map(len, (rig.parents, rig.shape_basis, rig.expression_basis, rig.pose_basis))
    deformer = replace(config.deformer, joints=joints, shapes=shapes, expressions=features, pose_features=poses)
    canonical = replace(config.canonical, pose=3 * joints + len(rig.expression_names))
    return replace(config, deformer=deformer, canonical=canonical)


@dataclass(frozen=True)
class GANHeadCodes(Batch):
    """Who B heads are: codes `shape`, `detail`, `colour` [B, .], and `rig_shape` [B, S], coefficients of the rig."""

    shape: Tensor
    detail: Tensor
    colour: Tensor
    rig_shape: Tensor


@dataclass(frozen=True)
class DecodedGANHead(Batch):
    """B decoded heads: features `volume` [B, C, 16, 64, 64], canonical surfaces, the pose they are in and the surfaces in that
    pose, in model units."""

    codes: GANHeadCodes
    volume: Tensor
    pose: HeadPose
    canonical: tuple[CanonicalMesh, ...]
    posed: tuple[TriMesh[Tensor], ...]


class GANHead(HubModel):
    """The model. `rig` stands in the cube; without one, a model of FLAME can be queried in its canonical space only."""

    model_type, config_class = "ganhead", GANHeadConfig
    config: GANHeadConfig
    latent_parts, box_size = (*CODES, RIG), BOX

    def __init__(self, config: GANHeadConfig, rig: Rig | None = None) -> None:
        super().__init__(config)
        self.canonical = CanonicalHead(config.canonical)
        self.deformer = Deformer(config.deformer)
        sizes, self.image_size = config.canonical, config.image_size
        self.shape_codes = nn.Embedding(config.scans, sizes.shape_code)
        self.detail_codes = nn.Embedding(config.scans, sizes.detail_code)
        self.colour_codes = nn.Embedding(config.scans, sizes.colour_code)
        for table in self.tables:
            nn.init.zeros_(table.weight)  # [ganhead supp. 1.3]
        self._rig: Rig | None = None
        self.flame_file: Path | None = None
        if rig is None and config.rig == "template":
            with CPU:  # also where the networks are made on another device, to be filled later
                rig = template_in_cube(load_template(), config.deformer.shapes).rig
        if rig is not None:
            self.use_rig(rig)

    @property
    def tables(self) -> tuple[nn.Embedding, nn.Embedding, nn.Embedding]:
        """Shape, detail and colour codes of the scans."""
        return self.shape_codes, self.detail_codes, self.colour_codes

    # -- the rig

    def use_rig(self, rig: Rig) -> None:
        """Be moved by this rig, which stands in the cube [-1, 1]^3. FullheadError if it is not of the networks' sizes."""
        due = sized_for(self.config, rig)
        ours, theirs = ({**vars(c.deformer), "pose": c.canonical.pose} for c in (self.config, due))
        wrong = [f"{ours[name]} {name}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]]
        if wrong:
            raise FullheadError(f"this GANHead was made for another rig, of {'; '.join(wrong)}: give the rig it was made for")
        self._rig = rig

    def use_flame(self, file: str | Path) -> None:
        """Be moved by FLAME, from the user's own file, which is remembered as `flame_file`."""
        if self.config.rig != "flame":
            raise FullheadError("our own rig moves this GANHead, not FLAME: leave FLAME's file out")
        sizes = self.config.deformer
        self.use_rig(flame_in_cube(load_flame(file), sizes.shapes, sizes.expressions))
        self.flame_file = Path(file)

    @property
    def rig(self) -> Rig:
        if self._rig is None:
            hint = "give it with --flame, in Python with model.use_flame(file)"
            raise FullheadError(f"this GANHead is moved by FLAME, whose licence keeps the file with you: {hint}")
        return self._rig.to(device_of(self))

    def rig_pose(self, pose: HeadPose) -> HeadPose:
        """A pose in ARKit's 52 weights and our template's joints, as the model's own rig has it."""
        if self.config.rig == "template":
            return pose.to(device_of(self))
        mapping = map_expressions(template_in_cube(load_template()).rig, self.rig.to(CPU), joints=FACE_JOINTS)
        return HeadPose(*mapping(pose.expression, pose.joint_pose)).to(device_of(self))

    def rest_pose(self, heads: int = 1) -> HeadPose:
        """No expression, all joints at zero."""
        zeros = torch.zeros(heads, len(self.rig.expression_names), device=device_of(self))
        return HeadPose(zeros, zeros.new_zeros(heads, len(self.rig.parents), 3))

    def canonical_pose(self) -> Tensor:
        """[1, J, 3]: everything at rest but the jaw."""
        pose = torch.zeros(1, self.config.deformer.joints, 3, device=device_of(self))
        pose[0, JAW, 0] = CANONICAL_JAW
        return pose

    def motion(self, rig_shape: Tensor, expression: Tensor, joint_pose: Tensor) -> Motion:
        """How heads of rig_shape [B, S] move to expression [B, E] and joint_pose [B, J, 3]."""
        return rig_motion(self.rig, self.canonical_pose()[0], rig_shape, expression, joint_pose)

    # -- codes

    def codes(self, scan: Tensor, rig_shape: Tensor | None = None) -> GANHeadCodes:
        """The codes of scans [B] of the training set, with the rig's shape [B, S] (None: its mean)."""
        shape, detail, colour = (table(scan) for table in self.tables)
        return self._codes(shape, detail, colour, rig_shape)

    def random_codes(self, noise: Sequence[Tensor | None]) -> GANHeadCodes:
        """Codes of Gaussians as wide as the tables, for standard normal `noise` [B, .] of shape, detail and colour each; None:
        the mean. Numbers of a table that go together are drawn together; the published code draws each alone."""
        return self._codes(*random_codes(self.tables, noise))

    def _codes(self, shape: Tensor, detail: Tensor, colour: Tensor, rig_shape: Tensor | None = None) -> GANHeadCodes:
        mean = shape.new_zeros(len(shape), self.config.deformer.shapes)
        return GANHeadCodes(shape, detail, colour, mean if rig_shape is None else rig_shape)

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> GANHeadCodes:
        """n random heads, see `random_codes`; the rig's shape is standard normal."""
        codes = self.random_codes([normal((n, t.embedding_dim), t.weight, generator) for t in self.tables])
        return replace(codes, rig_shape=normal((n, self.config.deformer.shapes), codes.rig_shape, generator))

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> GANHeadCodes:
        """The heads of seeds from 0 to 2^32 - 1: `seed_noise` of the three codes, and then of the rig's shape."""
        return self.vary_latents(seeds, truncation, self.latent_parts)

    def vary_latents(self, seeds: list[int], truncation: float, vary: Collection[str]) -> GANHeadCodes:
        """The same, of which only the parts `vary`, of CODES and RIG, are drawn; the others stay at their means."""
        sizes = [*(table.embedding_dim for table in self.tables), self.config.deformer.shapes]
        parts = (truncation * torch.from_numpy(seed_noise(seeds, sum(sizes))).to(self.shape_codes.weight)).split(sizes, dim=1)
        *noise, rig_shape = (part * (name in vary) for name, part in zip(self.latent_parts, parts, strict=True))
        return replace(self.random_codes(noise), rig_shape=rig_shape)

    # -- points

    def volume(self, codes: GANHeadCodes) -> Tensor:
        """Features of the geometry [B, C, 16, 64, 64]: once per head."""
        return self.canonical.volume(codes.shape)

    def at_neutral(self, volume: Volume, x: Tensor, scan: Tensor) -> CanonicalPoints:
        """Shape-neutral points (the published code's "canonical_shape")."""
        return self.canonical.at(volume, x, scan)

    def at_canonical(self, volume: Volume, rig_shape: Tensor, x: Tensor, scan: Tensor) -> CanonicalPoints:
        """Canonical points of heads with the rig's shape ("canonical")."""
        return self.canonical.at(volume, self.deformer.neutral(x, scan, rig_shape), scan)

    def at_posed(self, volume: Volume, motion: Motion, x: Tensor, scan: Tensor, steps: int = 50) -> CanonicalPoints:
        """Posed points ("deformed"). Parts to compose otherwise: `representations.correspondence`."""
        warp = self.deformer.warp(motion)
        return select_correspondences(self.canonical, volume, warp, find_correspondences(warp, x, scan, steps=steps), scan)

    def normals(self, detail: Tensor, at: CanonicalPoints, motion: Motion | None = None) -> tuple[Tensor, Tensor]:
        """Unit normals [N, 3], turned as the motion poses them (None: at rest), and features [N, W] for the colours."""
        normals, feature = self.canonical.normals(detail, at)
        if motion is not None:
            normals = Skeleton.of(motion).rotate_normals(normals, self.deformer.weights(at.x), at.scan)
        return nn.functional.normalize(normals, dim=-1), feature

    # -- heads

    @torch.no_grad()
    def canonical_surface(self, codes: GANHeadCodes, volume: Tensor, resolution: int) -> TriMesh[NDArray]:
        """The bare surface of one head in its canonical pose [ganhead supp. 1.2] [occnet]."""
        rig_vertices = self.rig(codes.rig_shape, None, self.canonical_pose()).vertices[0]
        inside = rig_vertices[(rig_vertices.abs() <= 1).all(dim=-1)]
        low, high = inside.amin(dim=0), inside.amax(dim=0)
        centre, side = (low + high) / 2, MARGIN * float((high - low).max())

        def occupancy(xyz: Tensor) -> Tensor:
            x, scan = flat(xyz.to(centre)[None])
            return self.canonical.occupancy(volume, self.deformer.neutral(x, scan, codes.rig_shape), scan)

        middle = centre.cpu().numpy()
        return central_component(extract_surface(occupancy, side, 0.0, resolution, centre=middle, coarse=COARSE, outside=-1.0))

    @torch.no_grad()
    def canonical_mesh(self, codes: GANHeadCodes, volume: Tensor, resolution: int) -> CanonicalMesh:
        """The surface of one head, found once for all its poses."""
        return self.dressed(codes, volume, self.canonical_surface(codes, volume, resolution))

    @torch.no_grad()
    def dressed(self, codes: GANHeadCodes, volume: Tensor, surface: TriMesh[NDArray]) -> CanonicalMesh:
        """A bare surface of one head in its canonical pose with all that moves and colours it."""
        mesh = surface.tensors(volume.device)
        at = self.at_canonical(volume, codes.rig_shape, *flat(mesh.vertices[None]))
        normals, feature = self.normals(codes.detail, at)
        return CanonicalMesh(mesh.vertices, mesh.faces, at, *self.deformer.bases(at.x), normals, feature)

    @torch.no_grad()
    def posed_vertices(self, codes: GANHeadCodes, mesh: CanonicalMesh, pose: HeadPose) -> tuple[Tensor, Tensor]:
        """Vertices [V, 3] and unit normals [V, 3] of one head in a pose."""
        motion = self.motion(codes.rig_shape, pose.expression, pose.joint_pose)
        skeleton = Skeleton.of(motion)
        vertices = skeleton.forward_skin(mesh.vertices, mesh.weights, mesh.offsets(motion), mesh.at.scan)
        return vertices, nn.functional.normalize(skeleton.rotate_normals(mesh.normals, mesh.weights, mesh.at.scan), dim=-1)

    @torch.no_grad()
    def posed_mesh(self, codes: GANHeadCodes, mesh: CanonicalMesh, pose: HeadPose) -> TriMesh[Tensor]:
        """The surface of one head in a pose, coloured."""
        vertices, normals = self.posed_vertices(codes, mesh, pose)
        seen = colour_pose(pose.expression, pose.joint_pose)
        colours = self.canonical.colours(codes.colour, seen, mesh.at, mesh.normal_feature)
        return TriMesh(vertices, mesh.faces, normals, colours.clamp(-1, 1))

    def decode(
        self, latents: GANHeadCodes, pose: HeadPose | None = None, options: RenderOptions = RenderOptions()
    ) -> DecodedGANHead:
        """The heads and their surfaces: the expensive part. They are at rest unless a pose is given (see `posed`)."""
        with torch.no_grad():
            volume = self.volume(latents)
        resolution = options.resolution or self.config.resolution
        meshes = [self.canonical_mesh(latents[i], volume[i : i + 1], resolution) for i in range(len(latents))]
        rest = self.rest_pose(len(latents))
        return self.posed(DecodedGANHead(latents, volume, rest, tuple(meshes), ()), rest if pose is None else pose)

    def posed(self, head: DecodedGANHead, pose: HeadPose, options: RenderOptions = RenderOptions()) -> DecodedGANHead:
        """The same heads in another pose, [B] or one for all; some milliseconds, unless their colours are shown, which depend
        on the pose: without them they stay as they are."""
        pose = pose if len(pose) == len(head) else pose.expand(len(head))
        meshes = []
        for i, mesh in enumerate(head.canonical):
            if options.shading == "colour":
                meshes.append(self.posed_mesh(head.codes[i], mesh, pose[i]))
            else:
                vertices, normals = self.posed_vertices(head.codes[i], mesh, pose[i])
                meshes.append(replace(head.posed[i], vertices=vertices, normals=normals))
        return replace(head, pose=pose, posed=tuple(meshes))

    def surface(self, head: DecodedGANHead, resolution: int) -> TriMesh[Tensor]:
        """The surface of one decoded head in its pose: found anew in the canonical pose, then moved."""
        return self.posed_mesh(head.codes, self.canonical_mesh(head.codes, head.volume, resolution), head.pose)

    def render(self, head: DecodedGANHead, cameras: Cameras, options: RenderOptions = RenderOptions()) -> Render:
        """Pictures of heads, one camera each: the rasterised surface."""
        options.refuse("a GANHead", precision="fp32")
        return render_surfaces(head.posed, cameras, options.size or self.image_size, options)

    @property
    def metres_per_unit(self) -> float:
        return self.rig.metres * 2 / BOX

    def occupancy(self, head: DecodedGANHead, xyz: Tensor) -> Tensor:
        """Logits [B, N], positive inside, of points xyz [B, N, 3] in world units about the posed heads."""
        return self._at_world(head, xyz).logit.view(xyz.shape[:2])

    def colour(self, head: DecodedGANHead, xyz: Tensor) -> Tensor:
        """RGB [B, N, 3] in [-1, 1] of points xyz [B, N, 3] in world units; white where nothing of the head is found."""
        at = self._at_world(head, xyz)
        feature = self.normals(head.codes.detail, at)[1]
        pose = colour_pose(head.pose.expression, head.pose.joint_pose)
        return self.canonical.colours(head.codes.colour, pose, at, feature).clamp(-1, 1).view(xyz.shape)

    def _at_world(self, head: DecodedGANHead, xyz: Tensor) -> CanonicalPoints:
        motion = self.motion(head.codes.rig_shape, head.pose.expression, head.pose.joint_pose)
        return self.at_posed(head.volume, motion, *flat(xyz * (2 / BOX)))


def flat(x: Tensor) -> tuple[Tensor, Tensor]:
    """Points [B, N, 3] as [B N, 3], and whose they are, [B N]."""
    return x.flatten(0, 1), torch.arange(len(x), device=x.device).repeat_interleave(x.shape[1])


def colour_pose(expression: Tensor, joint_pose: Tensor) -> Tensor:
    """What of a pose the colours see: all joints (the root too: turn the camera rather than the head), then the expression."""
    return torch.cat([joint_pose.flatten(1), expression], dim=1)
