"""Sets of clips of moving heads: each frame with its expression, pose and camera, for animation and reenactment.

A part is a frame; a clip is one subject under one light before one background.

    frames/c0000/00000.png      the picture; truth in folders of its own beside
    clips/c0000.json            the subject and, of every frame, expression, joint pose, label, landmarks
    frames/dataset.json         EG3D's 25 numbers of each frame
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

from fullhead.core.cameras import orbit
from fullhead.io.sets import Part, Records
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

    def lists(self, records: Records) -> Iterator[tuple[str, Iterable[str]]]:
        for clip, (first, *others) in groupby(records, itemgetter("clip")):
            shared = {name: first[name] for name in ("subject", "attributes", "metres_per_unit")}
            frames = [
                {name: record[name] for name in ("frame", "expression", "joint_pose")}
                | record["views"][0]
                | {"landmarks_3d": record["landmarks"]}
                for record in (first, *others)
            ]
            yield f"clips/{clip_name(clip)}.json", [json.dumps({"fps": self.what.fps, **shared, "frames": frames})]
        yield "frames/dataset.json", dataset_json((f"{v['key']}.png", v["label"]) for r in records for v in r["views"])


def clip_name(number: int) -> str:
    return f"c{number:04d}"
