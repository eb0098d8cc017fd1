"""Head360: a parametric head, whose texture, shape, expression and hair are set apart [h360].

    shape s, weights b --bilinear mesh--> vertices                          [h360 §3.1]
    texture code --mapping--> style --synthesis--> neural texture
    vertices, texture --draw--> six views --mouth, blend--> head planes     [h360 §3.2]
    hair code --mapping--> style --synthesis--> hair planes
    head planes + hair planes --march--> feature image --super-resolution--> image

Its world is that of the cameras of SynHead100, a box of side 1, in which heads are ENLARGED: its narrow cameras frame them as
those of the other families do. Applications speak in the world of all families; what is in Head360's own says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor

from fullhead.core import cameras as cams
from fullhead.core.cameras import Cameras, labels_from_cameras, orbit
from fullhead.core.compositing import density_activation
from fullhead.core.devices import device_of, normal
from fullhead.core.errors import FullheadError
from fullhead.core.random import seed_noise
from fullhead.core.rotations import matrix_from_axis_angle
from fullhead.io.config import Depth, Limited, Positive, Width
from fullhead.models.head import Batch, HeadPose, Render, RenderOptions
from fullhead.models.hub import HubModel
from fullhead.nn.style_unet import StyleUNet
from fullhead.nn.stylegan2 import Mapping, Synthesis
from fullhead.nn.superres import Superres, SuperresConfig, resized
from fullhead.representations import hex_planes
from fullhead.representations.bilinear import BilinearConfig, BilinearMesh
from fullhead.representations.hex_planes import HexPlanesConfig
from fullhead.representations.planes import Decoder, DecoderConfig
from fullhead.representations.volume import MarchConfig, render_features
from fullhead.rig.arkit import ARKIT
from fullhead.rig.template import JAW, LEFT_EYE, LOOK, NECK, RIGHT_EYE, ROOT

LABEL = 25  # numbers in a camera label: c2w and K
RADIUS, FOCAL = 22.5, 28.0  # of SynHead100's cameras, in Head360's own world
ENLARGED = (RADIUS / FOCAL) / (cams.RADIUS / cams.FOCAL)  # own units per unit of the world of all families
PIVOT = (0.0, -0.206, -0.070)  # about which the neck turns a head: the template's neck joint, in Head360's own world
JAW_OPEN = 24.5  # degrees by which the template's jaw turns where jawOpen is 1
SYNHEAD100_MESH = BilinearConfig(vertices=2548, triangles=5048, uv_points=2654, heads=100, landmarks=12)
LEAST_OPACITY = 0.05  # rays stopped less than this fade out when a head is rendered alone


@dataclass(frozen=True)
class Head360Config(Limited):
    """Sizes and parts of a Head360 generator. The defaults are the paper's full size."""

    shapes: Width = 50  # numbers of a shape code
    z_dim: Width = 256  # of a texture code and of a hair code
    w_dim: Width = 512
    codes: Literal["apart", "shape"] = (
        "apart"  # texture and hair have codes of their own; or follow from the shape's, as released
    )
    finish_dim: Annotated[int, (0, 1 << 14)] = 0  # numbers of a code for the super-resolution's style; 0: the texture's style
    mapping_layers: Depth = 2
    conditioned: bool = False  # the mappings see the camera, as released; without it, zeros
    image_size: Annotated[int, (4, 1 << 14)] = 512  # pixels of the final image
    neural_size: Annotated[int, (1, 512)] = 64  # pixels of the volume-rendered image
    channel_base: Annotated[int, (1, 1 << 20)] = 32768  # channels of a generator at size r: min(channel_base / r, channel_max)
    channel_max: Width = 512
    mesh: BilinearConfig | None = SYNHEAD100_MESH  # None: it is given later, by `use_mesh`
    planes: HexPlanesConfig = field(default_factory=HexPlanesConfig)
    decoder: DecoderConfig = field(default_factory=lambda: DecoderConfig(activation="sigmoid"))
    march: MarchConfig = field(
        default_factory=lambda: MarchConfig(near=0, far=0, crop=None, white_background=True, from_end_to_end=True)
    )
    superres: SuperresConfig = field(default_factory=SuperresConfig)
    metres_per_unit: Positive = 0.55  # of the world of all families, in which heads are as large as PanoHead's

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.codes == "shape" and self.z_dim != self.shapes:
            raise FullheadError(f"codes are the shape's, of {self.shapes} numbers: z_dim must be as many, not {self.z_dim}")
        if self.mesh is not None and self.mesh.identity != self.shapes:
            raise FullheadError(
                f"the mesh takes {self.mesh.identity} numbers of a shape, not {self.shapes}: make them the same"
            )
        if self.planes.size < 16:
            raise FullheadError(f"planes of {self.planes.size} pixels: at least 16, so that the mouth is seen")
        if self.planes.pairing == "concat" and self.planes.channels % 2:
            raise FullheadError(f"{self.planes.channels} channels cannot be shared by two views: give an even number")


@dataclass(frozen=True)
class Head360Latents(Batch):
    """Who B heads are: styles `texture`, `hair` and `finish` (the super-resolution's) [B, w_dim], `shape` code [B, S], and
    `hair_amount` [B, 1], how much of the hair is shown: 1, or 0 for none."""

    texture: Tensor
    hair: Tensor
    finish: Tensor
    shape: Tensor
    hair_amount: Tensor


@dataclass(frozen=True)
class DecodedHead360(Batch):
    """B decoded heads with the steps on the way: neural `texture` [B, C, S, S], planes `hair` and `head` [B, 3, P, S, S], how
    far the mesh covers these `alpha` [B, 3, 1, S, S] (None where they are added), and the `planes` that are rendered,
    [B, 3, P, 1, S, S]."""

    latents: Head360Latents
    pose: HeadPose
    texture: Tensor
    hair: Tensor
    head: Tensor
    alpha: Tensor | None
    planes: Tensor

    @property
    def pose_turn(self) -> Tensor:
        """[B, 3, 3], how the heads have turned about the PIVOT."""
        root, neck = matrix_from_axis_angle(self.pose.joint_pose).unbind(1)
        return root @ neck


class Head360(HubModel):
    """The generator. Deterministic unless a generator (of random numbers) is passed."""

    model_type, config_class = "head360", Head360Config
    config: Head360Config
    uv_mask: Tensor  # [S, S] in [0, 1], what of the texture covers hair, where hair lies under the head
    latent_parts = ("texture", "shape", "hair")

    def __init__(self, config: Head360Config) -> None:
        super().__init__(config)
        planes, w_dim = config.planes, config.w_dim
        size, channels = planes.size, planes.texture_channels
        mapping = partial(Mapping, label_dim=LABEL, w_dim=w_dim, layers=config.mapping_layers)
        synthesis = partial(Synthesis, w_dim, size, channel_base=config.channel_base, channel_max=config.channel_max)
        redraw = partial(StyleUNet, w_dim, size, channels, channel_base=config.channel_base, channel_max=config.channel_max)
        self.mesh = None if config.mesh is None else BilinearMesh(config.mesh)
        self.mapping = mapping(config.z_dim, embed_dim=config.z_dim)
        if config.codes == "apart":
            self.hair_mapping = mapping(config.z_dim, embed_dim=config.z_dim)
        if config.finish_dim:
            self.finish_mapping = mapping(config.finish_dim, embed_dim=config.finish_dim)
        self.texture_synthesis = synthesis(channels)
        self.hair_synthesis = synthesis(len(hex_planes.PAIRS) * planes.channels)
        self.mouth = redraw(input_size=size // 4, lowest=4)
        self.blend = redraw(input_size=size, lowest=size // 4)
        if planes.hair == "alpha":
            self.register_buffer("uv_mask", torch.ones(size, size))
        self.decoder = Decoder(config.decoder, planes.channels)
        self.superresolution = Superres(config.superres, planes.channels, w_dim)
        self.box_size, self.metres_per_unit = config.march.box_size / ENLARGED, config.metres_per_unit
        self.image_size = config.image_size

    # -- the mesh

    def use_mesh(self, mesh: BilinearMesh) -> None:
        """Be moved by this mesh, which files keep from then on. FullheadError if its codes are of another length."""
        self.config = replace(self.config, mesh=mesh.config)
        self.mesh = mesh.to(device_of(self))

    @property
    def known_mesh(self) -> BilinearMesh:
        if self.mesh is None:
            raise FullheadError("this Head360 came without its mesh: give it one with model.use_mesh(mesh)")
        return self.mesh

    # -- latents

    @property
    def code_sizes(self) -> dict[str, int]:
        """How many numbers there are in the codes that make a head."""
        own = {"texture": self.config.z_dim, "hair": self.config.z_dim} if self.config.codes == "apart" else {}
        return {**own, "shape": self.config.shapes, **({"finish": self.config.finish_dim} if self.config.finish_dim else {})}

    def latents(
        self,
        codes: dict[str, Tensor],
        truncation: float = 1.0,
        cameras: Cameras | None = None,
        vary: Collection[str] = latent_parts,
    ) -> Head360Latents:
        """The heads of codes [B, .] named as in `code_sizes`; parts that are not in `vary` stay average. `cameras`, one a head,
        in the own world: what the mappings see if they are conditioned; None: the front."""
        shape = codes["shape"]
        seen = orbit(0.0, radius=RADIUS, focal=FOCAL) if cameras is None else cameras
        label = labels_from_cameras(seen).to(shape).expand(len(shape), -1)
        label = label if self.config.conditioned else torch.zeros_like(label)
        hair_mapping = self.hair_mapping if self.config.codes == "apart" else self.mapping

        def style(mapping: Mapping, part: str) -> Tensor:
            w = mapping(codes.get(part, shape), label)
            return mapping.truncated(w, truncation if part in (*vary, "finish") else 0.0)

        texture, hair = style(self.mapping, "texture"), style(hair_mapping, "hair")
        finish = style(self.finish_mapping, "finish") if self.config.finish_dim else texture
        mean = torch.zeros_like(shape) if self.mesh is None else self.mesh.identity_mean.expand_as(shape)
        shape = mean + (truncation if "shape" in vary else 0.0) * (shape - mean)
        return Head360Latents(texture, hair, finish, shape, torch.ones_like(shape[:, :1]))

    def codes_of(self, noise: Tensor) -> dict[str, Tensor]:
        """Codes of standard normal noise [B, .], as many numbers as all codes have."""
        parts = dict(zip(self.code_sizes, noise.split(list(self.code_sizes.values()), dim=1), strict=True))
        return parts if self.mesh is None else {**parts, "shape": self.mesh.identity(parts["shape"])}

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> Head360Latents:
        """n random heads, untruncated."""
        return self.latents(self.codes_of(normal((n, sum(self.code_sizes.values())), self.mapping.w_avg, generator)))

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> Head360Latents:
        """The heads of seeds from 0 to 2^32 - 1, see `seed_noise`."""
        return self.vary_latents(seeds, truncation, self.latent_parts)

    def vary_latents(self, seeds: list[int], truncation: float, vary: Collection[str]) -> Head360Latents:
        noise = torch.from_numpy(seed_noise(seeds, sum(self.code_sizes.values()))).to(self.mapping.w_avg)
        return self.latents(self.codes_of(noise), truncation, vary=vary)

    # -- poses

    def rig_pose(self, pose: HeadPose) -> HeadPose:
        """ARKit's 52 weights, to which turns of the eyes and the jaw are added, and two joints, root and neck, which turn the
        whole head."""
        turns, weights = torch.rad2deg(pose.joint_pose), pose.expression.clone()
        for side, joint, outwards in (("Left", LEFT_EYE, 1), ("Right", RIGHT_EYE, -1)):
            for word, (about_x, out) in LOOK.items():
                amount = turns[:, joint, 0] / about_x if about_x else outwards * turns[:, joint, 1] / out
                weights[:, ARKIT.index(f"eyeLook{word}{side}")] += amount.clamp(min=0)
        weights[:, ARKIT.index("jawOpen")] += (turns[:, JAW, 0] / JAW_OPEN).clamp(min=0)
        return HeadPose(weights.clamp(0, 1), pose.joint_pose[:, [ROOT, NECK]]).to(device_of(self))

    def rest_pose(self, heads: int = 1) -> HeadPose:
        """No expression, not turned."""
        zeros = torch.zeros(heads, len(ARKIT), device=device_of(self))
        return HeadPose(zeros, zeros.new_zeros(heads, 2, 3))

    # -- heads

    def decode(
        self,
        latents: Head360Latents,
        pose: HeadPose | None = None,
        options: RenderOptions = RenderOptions(),
        *,
        known: DecodedHead360 | None = None,
        generator: torch.Generator | None = None,
    ) -> DecodedHead360:
        """The heads in a pose (None: at rest). Of heads that are `known` all is taken over that does not differ: another hair
        leaves the head's planes as they are, another expression or shape leaves texture and hair, another texture the hair.
        """
        pose = (
            self.rest_pose(len(latents)) if pose is None else pose if len(pose) == len(latents) else pose.expand(len(latents))
        )

        def kept(*parts: str) -> bool:
            return known is not None and all(_equal(getattr(known.latents, x), getattr(latents, x)) for x in parts)

        new = partial(self._synthesised, generator=generator, dtype=options.dtype)
        texture = known.texture if known and kept("texture") else new(self.texture_synthesis, latents.texture)
        if known and kept("hair"):
            hair = known.hair
        else:
            hair = new(self.hair_synthesis, latents.hair).unflatten(1, (len(hex_planes.PAIRS), -1))
        if known and kept("texture", "shape") and _equal(known.pose.expression, pose.expression):
            head, alpha = known.head, known.alpha
        else:
            vertices = self.known_mesh.vertices(latents.shape, pose.expression)
            head, alpha = self.head_planes(texture, vertices, latents.texture, options, generator)
        if known and head is known.head and hair is known.hair and kept("hair_amount"):
            return replace(known, latents=latents, pose=pose)
        planes = hex_planes.joined(head, hair, latents.hair_amount, alpha)
        return DecodedHead360(latents, pose, texture, hair, head, alpha, planes)

    def posed(self, head: DecodedHead360, pose: HeadPose, options: RenderOptions = RenderOptions()) -> DecodedHead360:
        """The same heads in another pose of the rig, [B] or one for all. Only a new expression costs something."""
        with torch.no_grad():
            return self.decode(head.latents, pose, options, known=head)

    def _synthesised(self, synthesis: Synthesis, w: Tensor, generator: torch.Generator | None, dtype: torch.dtype) -> Tensor:
        return synthesis(_of_layers(w, synthesis.num_ws), generator=generator, dtype=dtype)

    def head_planes(
        self,
        texture: Tensor,
        vertices: Tensor,
        w: Tensor,
        options: RenderOptions = RenderOptions(),
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Planes [B, 3, P, S, S] of textures [B, C, S, S] on meshes [B, V, 3], and how far these cover them if hair lies under
        them [h360 §3.2]. The front view's mouth is drawn anew, and then the whole front view, in the style w [B, w_dim]."""
        config, mesh = self.config.planes, self.known_mesh
        lips = mesh.outer_lips(vertices) * config.scale
        grid, seen = hex_planes.look_up(vertices * config.scale, mesh, config)
        views = hex_planes.draw(texture, grid)
        front = self.redrawn(views[:, hex_planes.FRONT], lips, w, options, generator)
        planes = hex_planes.paired(torch.cat([front[:, None], views[:, 1:]], dim=1), config)
        return planes, hex_planes.covered(grid, seen, self.uv_mask, config) if config.hair == "alpha" else None

    def redrawn(
        self,
        front: Tensor,
        lips: Tensor,
        w: Tensor,
        options: RenderOptions = RenderOptions(),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Front views [B, C, S, S] with a new mouth about the lips [B, L, 3], in plane units, blended into a new whole."""
        ws, size = _of_layers(w, self.mouth.num_ws), self.config.planes.size
        squares = hex_planes.mouth_squares(lips, size)
        mouths = self.mouth(hex_planes.cut_out(front, squares, size // 4), ws, generator=generator, dtype=options.dtype)
        return self.blend(hex_planes.pasted(front, squares, mouths), ws, generator=generator, dtype=options.dtype)

    def point_values(self, head: DecodedHead360, xyz: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density [B, N] and colour features [B, N, P] of points xyz [B, N, 3] in the own world, about heads that have not
        turned."""
        return self.decoder(hex_planes.features(head.planes, xyz, self.config.march.box_size))

    def render(
        self,
        head: DecodedHead360,
        cameras: Cameras,
        options: RenderOptions = RenderOptions(),
        *,
        neural_size: int | None = None,
    ) -> Render:
        """Images of heads, one camera each, on the heads' device, before white unless the options leave the background out."""
        seen = self.render_own(head, self.own_cameras(head, cameras), options, neural_size=neural_size)
        return replace(seen, depth=seen.depth / ENLARGED)

    def own_cameras(self, head: DecodedHead360, cameras: Cameras) -> Cameras:
        """Cameras of the world of all families in the own world, moved about heads that have not turned."""
        cameras = cameras.to(head.planes)
        c2w = cameras.c2w.clone()
        c2w[:, :3, 3] *= ENLARGED
        turn, pivot = head.pose_turn.mT, c2w.new_tensor(PIVOT)
        place = (turn @ (c2w[:, :3, 3] - pivot)[..., None])[..., 0] + pivot
        axes = torch.cat([turn @ c2w[:, :3, :3], place[..., None]], dim=2)
        return Cameras(torch.cat([axes, c2w[:, 3:].expand(len(axes), -1, -1)], dim=1), cameras.K.expand(len(axes), -1, -1))

    def render_own(
        self,
        head: DecodedHead360,
        cameras: Cameras,
        options: RenderOptions = RenderOptions(),
        *,
        neural_size: int | None = None,
        generator: torch.Generator | None = None,
        density_noise: float = 0.0,
    ) -> Render:
        """`render` for cameras of the own world, as those of SynHead100 and `fullhead synth heads360`; so are depths."""
        options.refuse("a Head360", shading="colour")
        config, size = self.config, neural_size or self.config.neural_size
        values = partial(self.point_values, head)
        features, opacity, depth = render_features(values, config.march, cameras, size, generator, density_noise)
        if not options.background:
            behind = 1 - opacity if config.march.white_background else torch.zeros_like(opacity)
            features = (features - behind) / opacity.clamp(min=LEAST_OPACITY)
        features = self._coloured(features)
        raw = features[:, :3]
        image = self.superresolution(raw, features, head.latents.finish, options.dtype)
        return Render(resized(image, options.size) if options.size else image, raw, opacity, depth)

    def _coloured(self, features: Tensor) -> Tensor:
        return 2 * features - 1 if self.config.decoder.activation == "sigmoid" else features

    def density(self, head: DecodedHead360, xyz: Tensor) -> Tensor:
        """sigma [B, N, 1], per unit of the world of all families, of points xyz [B, N, 3] in it; 0 outside the box."""
        own = self._own_points(head, xyz)
        inside = (own.abs() <= self.config.march.box_size / 2).all(dim=-1)
        return (ENLARGED * density_activation(self.point_values(head, own)[0]) * inside)[..., None]

    def colour(self, head: DecodedHead360, xyz: Tensor) -> Tensor:
        """RGB [B, N, 3] in [-1, 1] of points xyz [B, N, 3], before super-resolution."""
        return self._coloured(self.point_values(head, self._own_points(head, xyz))[1][..., :3]).clamp(-1, 1)

    def _own_points(self, head: DecodedHead360, xyz: Tensor) -> Tensor:
        """Points of the world of all families in the own one, about heads that have not turned."""
        pivot = xyz.new_tensor(PIVOT)
        return (ENLARGED * xyz - pivot) @ head.pose_turn + pivot


def _of_layers(w: Tensor, layers: int) -> Tensor:
    """A style [B, w_dim] for every layer, [B, L, w_dim]."""
    return w[:, None].expand(-1, layers, -1)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.shape == b.shape and torch.equal(a, b))
