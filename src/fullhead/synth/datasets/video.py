"""Sets of clips of moving heads: each frame with its expression, pose and camera, for animation and reenactment.

A part is a frame; a clip is one subject under one light before one background.

    frames/c0000/00000.png      the picture; truth in folders of its own beside
    clips/c0000.json            the subject and, of every frame, expression, joint pose, label, landmarks
    frames/dataset.json         EG3D's 25 numbers of each frame
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fullhead.core.cameras import orbit
from fullhead.io.sets import Part
from fullhead.synth.datasets.options import VideoOptions
from fullhead.synth.datasets.shots import PictureSet, RenderContext, ShotSpec, View, camera_label, dataset_json, render_shot
from fullhead.synth.people.motion import clip_poses


class Video(PictureSet[VideoOptions]):
    """The recipe of a set of clips."""

    kind, version = "video", 7
    pictures = 1

    @property
    def parts(self) -> int:
        return self.what.clips * self.what.frames

    @property
    def per_shard(self) -> int:
        return self.what.frames

    @property
    def folders(self) -> Mapping[str, str]:
        return {"img": "frames"} | {name: name for name in self.fields}

    def make(self, shared: RenderContext, part: int) -> Part:
        number, frame = divmod(part, self.what.frames)
        done = render_shot(shared, self.shot(shared, number, frame), self.fields)
        return Part({"clip": number, "frame": frame, **done.record}, done.samples)

    def shot(self, context: RenderContext, number: int, frame: int) -> ShotSpec:
        """One frame of a clip."""
        o, subject = self.what, self.subject(context, number)
        pose = clip_poses(o.motion, subject.seed, o.frames, o.fps)[frame]
        key, label = f"{clip_name(number)}/{frame:05d}", camera_label(orbit(pose.yaw, pose.pitch))
        view = View(key, round(pose.yaw, 6), round(pose.pitch, 6), label, background=(o.seed, number))
        backdrop = self.population.backdrop.kind
        return ShotSpec(subject, o.size, (view,), pose.expression, pose.joint_pose, backdrop=backdrop)

    def lists(self, records: list[dict[str, Any]]) -> dict[str, str]:
        clips: dict[str, dict[str, Any]] = {}
        for record in records:
            shared = {name: record[name] for name in ("subject", "attributes", "metres_per_unit")}
            found = clips.setdefault(f"clips/{clip_name(record['clip'])}.json", {"fps": self.what.fps, **shared, "frames": []})
            own = {name: record[name] for name in ("frame", "expression", "joint_pose")}
            found["frames"].append(own | record["views"][0] | {"landmarks_3d": record["landmarks"]})
        labels = dataset_json((f"{view['key']}.png", view["label"]) for record in records for view in record["views"])
        return {name: json.dumps(found) for name, found in clips.items()} | {"frames/dataset.json": labels}


def clip_name(number: int) -> str:
    return f"c{number:04d}"
