"""Photos with masks and cameras, in the layout of EG3D and PanoHead.

    folder/img/00000/img00000000.png   folder/img/dataset.json: {"labels": [[name, [25 numbers]], ...]}
    folder/seg/00000/img00000000.png   one channel, 255 where the head is

`img` and `seg` may also be zip files (img.zip, seg.zip), or lie in the zip or tar shards of a set. Masks are matched by path
without extension.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fullhead.core.cache import ByteCache
from fullhead.core.cameras import cameras_from_labels, labels_from_cameras, mirrored, yaw_pitch
from fullhead.core.errors import FullheadError
from fullhead.io.reading import reading
from fullhead.io.stores import open_store

FAR = 1e6  # no number of a camera is larger
CACHE_BYTES = 4 << 30  # decoded images are kept up to this size


@dataclass(frozen=True)
class PhotoBatch:
    """`image` [B, 3, H, W] in [-1, 1], `mask` [B, 1, H, W] in [0, 1], `label` [B, 25]."""

    image: Tensor
    mask: Tensor
    label: Tensor


class PhotoSet:
    """Images, masks and labels by index, decoded when first asked for.

    root: the folder above. yaw_range: keep |yaw| within, degrees. front_repeat, back_repeat: images seen from in front
    (|yaw| < 60 degrees) and from behind (|yaw| >= 90) [pano supp. A.2] come this often. mirror: every image also mirrored, with
    its camera.
    """

    def __init__(
        self, root: Path, *, yaw_range: tuple[float, float] = (0, 180), front_repeat: int = 1, back_repeat: int = 1,
        mirror: bool = False,
    ) -> None:  # fmt: skip
        self.images, self.masks = open_store(root, "img"), open_store(root, "seg")
        with reading(f"{root}/img/dataset.json", "it lists names and labels of 25 numbers each"):
            listed = json.loads(self.images.read("dataset.json"))["labels"]
            found = [(str(name), str(name).rpartition(".")[0], [float(x) for x in label]) for name, label in listed]
            if any(len(label) != 25 or not all(abs(x) < FAR for x in label) for *_, label in found):
                raise ValueError("a label is not 25 finite numbers")
        masks = {name.rpartition(".")[0]: name for name in self.masks.names()}
        entries = [(name, masks[stem], label) for name, stem, label in found if stem in masks]
        if not entries:
            raise FullheadError(f"{root} has no image with both a camera label and a mask")
        self.names, self.mask_names, labels = zip(*entries, strict=True)
        self.labels = torch.tensor(labels)
        yaw = torch.rad2deg(yaw_pitch(cameras_from_labels(self.labels))[0]).abs()
        kept = torch.nonzero((yaw >= yaw_range[0]) & (yaw <= yaw_range[1]))[:, 0]
        if not len(kept):
            raise FullheadError(f"no image of {root} has |yaw| in {yaw_range[0]} to {yaw_range[1]} degrees")
        before, behind = kept[yaw[kept] < 60], kept[yaw[kept] >= 90]
        beside = kept[(yaw[kept] >= 60) & (yaw[kept] < 90)]
        self.index = torch.cat([before.repeat(front_repeat), beside, behind.repeat(back_repeat)])
        if mirror:  # a negative entry -i - 1 is the mirrored image i
            self.index = torch.cat([self.index, -self.index - 1])
        self._cache = ByteCache[int, tuple[np.ndarray, np.ndarray]](CACHE_BYTES)
        image, _ = self._photo(0)
        self.size = image.shape[-1]

    def __len__(self) -> int:
        return len(self.index)

    def _photo(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 [3, H, W] and mask uint8 [1, H, W] of a file."""
        return self._cache.get(i, lambda: self._decode(i))

    def _decode(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        image = self.images.picture(self.names[i]).transpose(2, 0, 1)
        mask = self.masks.picture(self.mask_names[i], "L")[None]
        if image.shape[1] != image.shape[2] or mask.shape[1:] != image.shape[1:]:
            raise FullheadError(f"{self.names[i]} is {image.shape[2]} x {image.shape[1]}, its mask {mask.shape[2]} x "
                                f"{mask.shape[1]}: both must be square and of one size")  # fmt: skip
        return image, mask

    def batch(self, positions: Tensor) -> PhotoBatch:
        """The photos at `positions` [B] of the balanced list."""
        entries, pictures = self.index[positions], []
        for entry in entries.tolist():
            image, mask = self._photo(-entry - 1 if entry < 0 else entry)
            pictures.append((image[..., ::-1], mask[..., ::-1]) if entry < 0 else (image, mask))
        images, masks = (torch.from_numpy(np.stack(column)).float() for column in zip(*pictures, strict=True))
        return PhotoBatch(images / 127.5 - 1, masks / 255, self._labels(entries))

    def random_labels(self, n: int, generator: torch.Generator) -> Tensor:
        """n labels [n, 25] drawn from the balanced list."""
        return self._labels(self.index[torch.randint(len(self.index), (n,), generator=generator)])

    def _labels(self, entries: Tensor) -> Tensor:
        """Labels [B, 25] of entries [B] of the balanced list; mirrored ones give mirrored cameras."""
        labels = self.labels[torch.where(entries < 0, -entries - 1, entries)]
        flipped = labels_from_cameras(mirrored(cameras_from_labels(labels)))
        return torch.where((entries < 0)[:, None], flipped, labels)
