"""Sets of clips of moving heads: each frame with its expression, pose and camera, for animation and reenactment.

A part is a frame; a clip is one subject under one light before one background.

    frames/c0000/00000.png      the picture; truth in folders of its own beside
    clips/c0000.json            the subject and, of every frame, expression, joint pose, label, landmarks
    frames/dataset.json         EG3D's 25 numbers of each frame
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fullhead.core.cameras import orbit
from fullhead.io.sets import Part
from fullhead.synth.datasets.shots import (
    RenderContext,
    ShotSpec,
    View,
    camera_label,
    dataset_json,
    recipe_settings,
    render_shot,
    subject_seed,
)
from fullhead.synth.people.motion import clip_poses
from fullhead.synth.people.population import Population
from fullhead.synth.people.population import population as default_population
from fullhead.synth.rendering.ground_truth import describe_fields

VERSION = 7  # of the pictures: raise it when the same seed gives other ones


@dataclass(frozen=True)
class Video:
    """The recipe of a set of clips."""

    clips: int = 1
    clip: str = "talk"  # one of motion.MOTIONS
    frames: int = 120
    fps: float = 25.0
    size: int = 256  # pixels per side
    seed: int = 0
    ground_truth: tuple[str, ...] = ("seg",)
    population: Population = field(default_factory=default_population)

    kind = "video"
    pictures = 1

    @property
    def parts(self) -> int:
        return self.clips * self.frames

    @property
    def per_shard(self) -> int:
        return self.frames

    @property
    def folders(self) -> Mapping[str, str]:
        return {"img": "frames"} | {name: name for name in self.ground_truth}

    def settings(self) -> dict[str, Any]:
        return recipe_settings(self, "clips", VERSION)

    def about(self) -> dict[str, Any]:
        return describe_fields(self.ground_truth)

    def open(self) -> RenderContext:
        return RenderContext(self.size)

    def make(self, shared: RenderContext, part: int) -> Part:
        number, frame = divmod(part, self.frames)
        shot = self.shot(shared, number, frame)
        done = render_shot(shared, shot, self.ground_truth)
        return Part({"clip": number, "frame": frame, **done.record}, done.samples)

    def shot(self, context: RenderContext, number: int, frame: int) -> ShotSpec:
        """One frame of a clip."""
        subject = context.subject(subject_seed(self.seed, number), self.population)
        pose = clip_poses(self.clip, subject.seed, self.frames, self.fps)[frame]
        label = camera_label(orbit(pose.yaw, pose.pitch))
        key = f"{clip_name(number)}/{frame:05d}"
        view = View(key, round(pose.yaw, 6), round(pose.pitch, 6), label, background=(self.seed, number))
        backdrop = self.population.backdrop.kind
        return ShotSpec(subject, self.size, (view,), pose.expression, pose.joint_pose, backdrop=backdrop)

    def lists(self, records: list[dict[str, Any]]) -> dict[str, str]:
        clips: dict[str, dict[str, Any]] = {}
        for record in records:
            shared = {name: record[name] for name in ("subject", "attributes", "metres_per_unit")}
            found = clips.setdefault(f"clips/{clip_name(record['clip'])}.json", {"fps": self.fps, **shared, "frames": []})
            own = {name: record[name] for name in ("frame", "expression", "joint_pose")}
            found["frames"].append(own | record["views"][0] | {"landmarks_3d": record["landmarks"]})
        labels = dataset_json((f"{view['key']}.png", view["label"]) for record in records for view in record["views"])
        return {name: json.dumps(found) for name, found in clips.items()} | {"frames/dataset.json": labels}


def clip_name(number: int) -> str:
    return f"c{number:04d}"
