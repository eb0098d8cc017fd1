"""Pinhole cameras around a head.

World: +y up, the face looks along +z, the origin is inside the head. A camera-to-world matrix `c2w` has OpenCV axes:
+x right, +y down, +z forward. Intrinsics `K` are normalised by image size: a pixel centre (i + 0.5) / size lies in [0, 1].
`yaw` and `pitch` are true angles in radians: yaw 0 is frontal and grows as the camera moves to +x (the subject's left);
pitch grows as the camera rises.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fullhead.core.errors import FullheadError

WHOLE_TURN = 6.2832  # radians, rounded up: no yaw or pitch is larger
RADIUS = 2.7  # distance of the cameras of EG3D and PanoHead from the origin [eg3d]
FOCAL = 4.2647  # their focal length, normalised by image size: 2985.29 / 700 [eg3d]


@dataclass(frozen=True)
class Cameras:
    """V cameras: `c2w` [..., 4, 4] and `K` [..., 3, 3], in the frame above."""

    c2w: Tensor
    K: Tensor

    @property
    def origins(self) -> Tensor:
        """Camera centres in world units, [..., 3]."""
        return self.c2w[..., :3, 3]

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: int | slice | Tensor) -> Cameras:
        if isinstance(index, int):
            index = slice(index, index + 1)
        return Cameras(self.c2w[index], self.K[index])

    def to(self, like: Tensor | torch.device) -> Cameras:
        return Cameras(self.c2w.to(like), self.K.to(like))


def intrinsics(focal: float | Tensor = FOCAL, batch: tuple[int, ...] = ()) -> Tensor:
    """K [..., 3, 3] with equal focal lengths (in image sizes), no skew and the principal point in the middle."""
    K = torch.zeros(*batch, 3, 3)
    K[..., 0, 0] = K[..., 1, 1] = torch.as_tensor(focal)
    K[..., 0, 2] = K[..., 1, 2] = 0.5
    K[..., 2, 2] = 1.0
    return K


def look_at(origins: Tensor, target: Tensor) -> Tensor:
    """c2w [..., 4, 4] of cameras at `origins` [..., 3] that look at `target` [..., 3] with +y up.

    Not defined for a camera straight above or below its target.
    """
    forward = torch.nn.functional.normalize(target - origins, dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=forward.dtype, device=forward.device).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    c2w = torch.eye(4, dtype=forward.dtype, device=forward.device).repeat(*forward.shape[:-1], 1, 1)
    c2w[..., :3, :] = torch.stack([right, down, forward, origins], dim=-1)
    return c2w


def orbit(
    yaw: Tensor | float, pitch: Tensor | float = 0.0, *, radius: float = RADIUS, focal: float = FOCAL,
    target: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Cameras:  # fmt: skip
    """Cameras on a sphere of `radius` about the origin that look at `target`; yaw, pitch in radians, broadcast to [V].

    Raises FullheadError for more than a whole turn, as of degrees.
    """
    h, v = torch.broadcast_tensors(*(torch.atleast_1d(torch.as_tensor(x, dtype=torch.float64)) for x in (yaw, pitch)))
    for name, angles in (("yaw", h), ("pitch", v)):
        if len(wrong := angles[~(angles.abs() <= WHOLE_TURN)]):
            raise FullheadError(
                f"{name} {wrong[0]:g} is no angle in radians, from -2 pi to 2 pi: of degrees, give math.radians({wrong[0]:g})"
            )
    origins = radius * torch.stack([h.sin() * v.cos(), v.sin(), h.cos() * v.cos()], dim=-1)
    c2w = look_at(origins, torch.tensor(target, dtype=torch.float64).expand_as(origins)).float()
    return Cameras(c2w, intrinsics(focal, (len(h),)))


def yaw_pitch(cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Yaw in (-pi, pi] and pitch in [-pi/2, pi/2] of each camera, from the direction it looks in."""
    forward = cameras.c2w[..., :3, 2]
    return torch.atan2(-forward[..., 0], -forward[..., 2]), torch.asin((-forward[..., 1]).clamp(-1, 1))


def labels_from_cameras(cameras: Cameras) -> Tensor:
    """EG3D labels [..., 25]: c2w then K, both row-major."""
    return torch.cat([cameras.c2w.flatten(-2), cameras.K.flatten(-2)], dim=-1)


def cameras_from_labels(eg3d_label: Tensor) -> Cameras:
    """Cameras of EG3D labels [..., 25]."""
    return Cameras(eg3d_label[..., :16].unflatten(-1, (4, 4)), eg3d_label[..., 16:].unflatten(-1, (3, 3)))


def mirrored(cameras: Cameras) -> Cameras:
    """Cameras that see the left-right mirrored head as the mirror image of what `cameras` see: E -> M E M."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])).to(cameras.c2w)
    return Cameras(flip @ cameras.c2w @ flip, cameras.K)
