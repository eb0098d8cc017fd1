"""Sets of clips of moving heads: each frame with its expression, pose and camera, for animation and reenactment.

A part is a frame; a clip is one subject under one light before one background.

    frames/c0000/00000.png      the picture; truth in folders of its own beside
    clips/c0000.json            the subject and, of every frame, expression, joint pose, label, landmarks
    frames/dataset.json         EG3D's 25 numbers of each frame
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fullhead.core.cameras import orbit
from fullhead.io.sets import Part
from fullhead.synth.datasets.shots import Take, View, Workshop, dataset_json, head_seed, label_of, shoot
from fullhead.synth.people.motion import clip
from fullhead.synth.people.population import Population
from fullhead.synth.people.population import population as default_population
from fullhead.synth.people.subject import sample_subject
from fullhead.synth.rendering.ground_truth import about_truth

VERSION = 7  # of the pictures: raise it when the same seed gives other ones


@dataclass(frozen=True)
class Video:
    """The recipe of a set of clips."""

    clips: int = 1
    clip: str = "talk"  # one of motion.CLIPS
    frames: int = 120
    fps: float = 25.0
    size: int = 256  # pixels per side
    seed: int = 0
    truth: tuple[str, ...] = ("seg",)
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
        return {"img": "frames"} | {name: name for name in self.truth}

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "clips"} | {"version": VERSION}

    def about(self) -> dict[str, Any]:
        return about_truth(self.truth)

    def open(self) -> Workshop:
        return Workshop(self.size)

    def make(self, shared: Workshop, part: int) -> Part:
        number, frame = divmod(part, self.frames)
        take = self.take(number, frame, shared.studio.parameters.names)
        done = shoot(shared, take, self.truth)
        return Part({"clip": number, "frame": frame, **done.record}, done.samples)

    def take(self, number: int, frame: int, shape_names: Iterable[str]) -> Take:
        """One frame of a clip."""
        subject = sample_subject(head_seed(self.seed, number), shape_names, self.population)
        pose = clip(self.clip, subject.seed, self.frames, self.fps)[frame]
        label = label_of(orbit(pose.yaw, pose.pitch))
        key = f"{clip_name(number)}/{frame:05d}"
        view = View(key, round(pose.yaw, 6), round(pose.pitch, 6), label, background=(self.seed, number))
        backdrop = self.population.backdrop.kind
        return Take(subject, self.size, (view,), pose.expression, pose.joint_pose, backdrop=backdrop)

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
