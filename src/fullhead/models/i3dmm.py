"""i3DMM: an implicit morphable model, a reference head that a code bends and another code paints [i3dmm].

    x, geometry code --DeformNet--> delta       x + delta --RefNet--> signed distance to the one reference head
                                                x + delta, colour code --ColorDecoder--> colour

It is an auto-decoder. A geometry code is [identity, expression, hairstyle], a colour code [identity, hairstyle]; each person,
expression and hairstyle of the training set owns a row in a table, which all its scans share. Points are x [B, n, 3], n of each
of B heads, in the cube [-1, 1]^3 of the scans. World units of cameras and renders are those of all families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor, nn

from fullhead.core.cameras import Cameras
from fullhead.core.devices import normal
from fullhead.core.errors import FullheadError
from fullhead.core.isosurface import extract_surface, largest_component
from fullhead.core.meshes import vertex_normals
from fullhead.core.random import seed_noise
from fullhead.core.tri_mesh import TriMesh
from fullhead.io.config import Depth, Limited, Positive, Width
from fullhead.kernels.dense import linear
from fullhead.models.head import Batch, HeadPose, Render, RenderOptions, render_surfaces
from fullhead.models.hub import HubModel
from fullhead.nn.implicit import NormedLinear, Rows, by_chunks, encoded_size, positional_encoding, random_codes
from fullhead.representations.surface import BOX, Cells, Pixels

COARSE = 32  # cells of the grid that is sampled whole


@dataclass(frozen=True)
class I3DMMConfig(Limited):
    """Sizes of an i3DMM. The defaults are the published ones."""

    people: Rows = 64  # rows of the tables of identities
    expressions: Rows = 10  # rows of the table of expressions
    hairstyles: Rows = 4  # rows of the tables of hairstyles
    code: Width = 128  # numbers in each factor's code
    octaves: Annotated[int, (0, 16)] = 6  # of the positional encoding
    deform_width: Width = 1024
    deform_depth: Depth = 8
    reference_width: Width = 512
    reference_depth: Depth = 3
    colour_width: Width = 1024
    colour_depth: Depth = 9
    skip: Depth = 4  # layer of DeformNet and ColorDecoder that sees the inputs again
    resolution: Cells = 256  # cells along the cube in which the surface of a decoded head is found
    image_size: Pixels = 256  # pixels of a render
    metres: Positive = 0.2  # in a unit of the cube


@dataclass(frozen=True)
class I3DMMCodes(Batch):
    """Who B heads are: `geometry` [B, 3 C] is identity, expression, hairstyle; `colour` [B, 2 C] is identity, hairstyle."""

    geometry: Tensor
    colour: Tensor


@dataclass(frozen=True)
class I3DMMHead(Batch):
    """B decoded heads: their codes and surfaces, in model units."""

    codes: I3DMMCodes
    posed: tuple[TriMesh[Tensor], ...]


class CodedNetwork(nn.Module):
    """Points and one code per head to values: `depth` hidden layers, as wide as `last` has inputs, then `last`.

    Layer 0 and layer `skip` see [code, encoded point]; hidden layers are weight-normalised, with ReLU.
    """

    def __init__(
        self, last: nn.Linear | NormedLinear, depth: int, octaves: int, code: int = 0, skip: int | None = None
    ) -> None:
        super().__init__()
        self.code, self.octaves, self.skip = code, octaves, skip
        width, seen = last.weight.shape[1], code + encoded_size(octaves)
        sizes = [seen if i == 0 else width + seen if i == skip else width for i in range(depth)]
        self.hidden: Sequence[NormedLinear] = nn.ModuleList(NormedLinear(size, width) for size in sizes)  # type: ignore[assignment]
        self.last = last

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        """Values [B, n, O] of points x [B, n, 3] with codes [B, C], or without."""
        B, n = x.shape[:2]
        encoded = h = positional_encoding(x.flatten(0, 1), self.octaves)
        for i, layer in enumerate(self.hidden):
            weight, bias = layer.weight, layer.bias.expand(B, -1)
            before = 0 if i == 0 else h.shape[1]
            if i == self.skip:
                h = torch.cat([h, encoded], dim=1)
            if i in (0, self.skip) and code is not None:  # its share is the same for all points of a head
                bias = linear(code, weight[:, before : before + self.code], layer.bias)
                weight = torch.cat([weight[:, :before], weight[:, before + self.code :]], dim=1)
            h = linear(h, weight).view(B, n, -1) + bias[:, None]
            h = torch.relu_(h).flatten(0, 1)
        return linear(h, self.last.weight, self.last.bias).view(B, n, -1)


class I3DMM(HubModel):
    """The model."""

    model_type, config_class, box_size = "i3dmm", I3DMMConfig, BOX
    config: I3DMMConfig

    def __init__(self, config: I3DMMConfig) -> None:
        super().__init__(config)
        c = config
        self.image_size, self.metres_per_unit = c.image_size, c.metres * 2 / BOX
        self.deform = CodedNetwork(nn.Linear(c.deform_width, 3), c.deform_depth, c.octaves, 3 * c.code, c.skip)
        self.reference = CodedNetwork(NormedLinear(c.reference_width, 1), c.reference_depth, c.octaves)
        self.paint = CodedNetwork(NormedLinear(c.colour_width, 3), c.colour_depth, c.octaves, 2 * c.code, c.skip)
        rows = {
            "geometry_identity": c.people,
            "geometry_expression": c.expressions,
            "geometry_hair": c.hairstyles,
            "colour_identity": c.people,
            "colour_hair": c.hairstyles,
        }
        self.tables = nn.ModuleDict({name: nn.Embedding(count, c.code) for name, count in rows.items()})
        for table in self._tables:
            nn.init.normal_(table.weight, std=(3 * c.code) ** -0.5)

    @property
    def _tables(self) -> list[nn.Embedding]:
        """In the order of the codes: three of the geometry, two of the colour."""
        return [table for table in self.tables.values() if isinstance(table, nn.Embedding)]

    # -- codes

    def codes(self, identity: Tensor, expression: Tensor, hair: Tensor) -> I3DMMCodes:
        """The codes of rows [B] of the tables: whose head, with which face, with which hair."""
        rows = (identity, expression, hair, identity, hair)
        return self._codes([table(row) for table, row in zip(self._tables, rows, strict=True)])

    def random_codes(self, noise: Sequence[Tensor | None]) -> I3DMMCodes:
        """Codes of a Gaussian of each factor's table, for standard normal `noise` [B, C] of each of the five; None: the mean.
        The original has no sampling."""
        return self._codes(random_codes(self._tables, noise))

    def _codes(self, parts: Sequence[Tensor]) -> I3DMMCodes:
        return I3DMMCodes(torch.cat(list(parts[:3]), dim=1), torch.cat(list(parts[3:]), dim=1))

    def sample_latents(self, n: int, generator: torch.Generator | None = None) -> I3DMMCodes:
        """n random heads, see `random_codes`."""
        return self.random_codes([normal((n, self.config.code), t.weight, generator) for t in self._tables])

    def seed_latents(self, seeds: list[int], truncation: float = 0.7) -> I3DMMCodes:
        """The heads of seeds from 0 to 2^32 - 1: `seed_noise` of all numbers of the five codes."""
        noise = truncation * torch.from_numpy(seed_noise(seeds, 5 * self.config.code)).to(self._tables[0].weight)
        return self.random_codes(noise.split(self.config.code, dim=1))

    @torch.no_grad()
    def bound_codes(self) -> None:
        """Bring the rows of the tables that are longer than 1 back to that length [i3dmm]."""
        for table in self._tables:
            table.weight.div_(table.weight.norm(dim=1, keepdim=True).clamp(min=1))

    # -- points

    def deformation(self, codes: I3DMMCodes, x: Tensor) -> Tensor:
        """delta [B, n, 3]: where on the reference head the points lie, less where they lie."""
        return self.deform(x, codes.geometry)

    def reference_distance(self, x_reference: Tensor) -> Tensor:
        """Signed distance [B, n], negative inside, of points [B, n, 3] to the surface of the reference head."""
        return torch.tanh(self.reference(x_reference))[..., 0]

    def distance(self, codes: I3DMMCodes, x: Tensor) -> Tensor:
        """Signed distance [B, n], negative inside, of points x [B, n, 3] to the surfaces of the heads."""
        return self.reference_distance(x + self.deformation(codes, x))

    def colours_at_reference(self, codes: I3DMMCodes, x_reference: Tensor) -> Tensor:
        """RGB [B, n, 3], 0 to 1 and a little beyond."""
        return self.paint(x_reference, codes.colour)

    # -- heads

    @torch.no_grad()
    def mesh(self, codes: I3DMMCodes, resolution: int) -> TriMesh[Tensor]:
        """The surface of one head, coloured at its vertices; pieces that hang free are left out."""

        def inside(xyz: Tensor) -> Tensor:
            return by_chunks(lambda x: (-self.distance(codes, x[None])[0],), xyz.to(codes.device))[0]

        def colour(x: Tensor) -> tuple[Tensor]:
            return (self.colours_at_reference(codes, x[None] + self.deformation(codes, x[None]))[0],)

        surface = largest_component(extract_surface(inside, 2.0, 0.0, resolution, coarse=COARSE, outside=-1.0))
        mesh = replace(surface, normals=vertex_normals(surface.vertices, surface.faces)).tensors(codes.device)
        return replace(mesh, colours=(2 * by_chunks(colour, mesh.vertices)[0] - 1).clamp(-1, 1))

    def decode(self, latents: I3DMMCodes, pose: HeadPose | None = None, options: RenderOptions = RenderOptions()) -> I3DMMHead:
        """The heads' surfaces: the expensive part."""
        if pose is not None:
            raise FullheadError("an i3DMM has no rig: its expressions are in its codes, leave the pose out")
        size = options.resolution or self.config.resolution
        return I3DMMHead(latents, tuple(self.mesh(latents[i], size) for i in range(len(latents))))

    def surface(self, head: I3DMMHead, resolution: int) -> TriMesh[Tensor]:
        """The surface of one decoded head, found anew."""
        return self.mesh(head.codes, resolution)

    def render(self, head: I3DMMHead, cameras: Cameras, options: RenderOptions = RenderOptions()) -> Render:
        """Pictures of heads, one camera each: the rasterised surface."""
        options.refuse("an i3DMM", precision="fp32")
        return render_surfaces(head.posed, cameras, options.size or self.image_size, options)

    def colour(self, head: I3DMMHead, xyz: Tensor) -> Tensor:
        """RGB [B, N, 3] in [-1, 1] of points xyz [B, N, 3] in world units."""
        x = xyz * (2 / BOX)
        return (2 * self.colours_at_reference(head.codes, x + self.deformation(head.codes, x)) - 1).clamp(-1, 1)
