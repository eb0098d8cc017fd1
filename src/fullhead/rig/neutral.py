"""The rig at rest, in the pose that all heads share before they move: what C, G and D of a GANHead are held to."""

from __future__ import annotations

import torch
from scipy.spatial import KDTree
from torch import Tensor

from fullhead.kernels.tree import mesh_tree
from fullhead.rig.rig import Rig

NEAR = 0.1  # squared distance within which a point takes after the rig [ganhead]
SPREAD, SKIN = 0.03, 0.01  # of labelled points: deviation from the vertices; how near to the rig's skin none is taken


class NeutralRig:
    """V vertices [V, 3] and J joints [J, 3] of the mean head in `pose` [1, J, 3], in the cube."""

    def __init__(self, rig: Rig, pose: Tensor) -> None:
        still = rig(joint_pose=pose)
        self.rig, self.vertices, self.joints = rig, still.vertices[0], still.joints[0]
        self.tree = KDTree(self.vertices.cpu().numpy())
        self.within = (self.vertices.abs() <= 1).all(dim=1).float().cpu()  # [V], 1 in the cube
        self.moved = rig.expression_basis.square().sum(dim=(0, 2)).cpu() * self.within  # [V], by all expressions together

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The vertex next to each point of x [N, 3], and which points have one that is near, [N] each."""
        distance, vertex = self.tree.query(x.detach().cpu().numpy())
        return torch.from_numpy(vertex).to(x.device), torch.from_numpy(distance**2 < NEAR).to(x.device)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` vertices: half of them anywhere in the cube, half of them by how far expressions move them."""
        halves = [torch.multinomial(by, count // 2, True, generator=generator) for by in (self.within, self.moved)]
        return torch.cat(halves).to(self.vertices.device)

    def motion(self, vertex: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Skinning weights [N, J] and bases of expressions [N, 3, E] and poses [N, P, 3] at vertices [N]."""
        expressions, poses = self.rig.expression_basis[:, vertex], self.rig.pose_basis[:, vertex]
        return self.rig.skin_weights[vertex], expressions.permute(1, 2, 0), poses.transpose(0, 1)

    def labelled(self, count: int) -> tuple[Tensor, Tensor]:
        """Up to `count` points [n, 3] about what expressions move, and whether they are inside the rig [n], 1 or 0."""
        random = torch.Generator().manual_seed(0)
        at = torch.multinomial(self.moved, count, True, generator=random)
        x = self.vertices.cpu()[at] + SPREAD * torch.randn(count, 3, generator=random)
        tree = mesh_tree(self.vertices.cpu().numpy(), self.rig.faces.cpu().numpy())
        clear = torch.from_numpy(tree.closest(x.numpy())[2] > SKIN)
        inside = torch.from_numpy(tree.winding(x.numpy()) > 0.5).float()
        return x[clear].to(self.vertices.device), inside[clear].to(self.vertices.device)
