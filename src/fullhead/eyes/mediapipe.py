"""Faces read with the networks of MediaPipe's Face Landmarker, from a file of the user's own.

The file `face_landmarker.task` is a zip of three networks: one finds faces, one gives 478 points of a face in space, one gives
the weights of expressions from 146 of these. What goes in and comes out is what MediaPipe's documentation says. How its points
lie to our 68, and where they are on a head, was measured with procedural heads (`tools/mediapipe_points.py`).
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fullhead.core.errors import FullheadError
from fullhead.core.similarity import similarity
from fullhead.eyes.reading import Points, Reading
from fullhead.eyes.window import Window, cut
from fullhead.io.files import existing_file
from fullhead.io.images import Bytes
from fullhead.io.reading import reading
from fullhead.rig.arkit import ARKIT

Network = Callable[[NDArray], list[NDArray]]
Scored = TypeVar("Scored", bound=tuple[float, Window] | tuple[float, Window, Any])

NETWORKS = ("face_detector", "face_landmarks_detector", "face_blendshapes")  # names in the file, as `Networks` has them
POINTS = 478

FINDER, LOOKER = 128, 256  # pixels a side of what the two networks look at
GRIDS = ((16, 2), (8, 6))  # cells a side, and faces that each cell may find
CONTEXT = 1.5  # sides of a face's box that are cut out around it
LEVELS = 3  # a photo is searched whole, in halves and in quarters
LEAST_FOUND, LEAST_SURE = 0.5, 0.6  # scores of the finder, and times that of the points, from which on there is a face
MOST_LOOKS, UPRIGHT = 4, 0.1  # how often a face is looked at before it must be upright, to so many radians
SAME_FACE = 0.5  # of the smaller side: boxes whose centres are nearer are of one face
TURNS = (0.0, math.pi, math.pi / 2, -math.pi / 2)  # of the photo, tried until there is a face
RIGHT_EYE, LEFT_EYE = 33, 263  # the outer corners, of the subject
NAMES = ("_neutral", *sorted(set(ARKIT) - {"tongueOut"}))  # in the order of the expression network
SEEN_BY_EXPRESSION = (  # the points that it takes
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81, 82, 84,
    87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159,
    160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361,
    362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415,
    454, 466, *range(468, 478),
)  # fmt: skip


@dataclass(frozen=True)
class Face:
    """A face in a photo as the networks see it."""

    score: float
    points: NDArray  # [478, 3] pixels of the photo; z away from the camera, in the same unit, from somewhere inside the head
    window: Window  # that was looked at


@dataclass(frozen=True)
class Table:
    """How the 478 points lie to our 68 landmarks."""

    index: NDArray  # [68, k] points that are near each of them
    weight: NDArray  # [68, k] what each of these counts; the sum is 1
    place: NDArray  # [68, 3] where they are on the average head as these points see it, world units in its own axes

    def landmarks(self, points: NDArray) -> NDArray:
        """Our landmarks [68, D] of the points [478, D]."""
        return (points[self.index] * self.weight[..., None]).sum(1)


@dataclass(frozen=True)
class Networks:
    """The three networks."""

    find: Network  # [1, 128, 128, 3] in [-1, 1] -> boxes [1, 896, 16], logits [1, 896, 1]
    look: Network  # [1, 256, 256, 3] in [0, 1] -> points [.., 1434], logit of the presence of a face, ..
    express: Network  # [1, 146, 2] pixels -> weights [52]

    def faces(self, photo: Bytes) -> list[Face]:
        """The faces in a photo uint8 [H, W, 3], the surest first."""
        height, width = photo.shape[:2]
        for turn in TURNS:
            found = [box for window in search_windows(height, width, turn) for box in self.boxes(photo, window)]
            looked = [self.looked(photo, box, score) for score, box in apart(found)]
            sure = [(face.score, face.window, face) for face in looked if face.score > LEAST_SURE]
            if best := apart(sure):
                return [face for *_, face in best]
        return []

    def boxes(self, photo: Bytes, window: Window) -> list[tuple[float, Window]]:
        """What the finder finds in a window: scores, and windows around the faces."""
        boxes, logits = self.find(cut(photo, window, FINDER)[None] / np.float32(127.5) - 1)
        scores = sigmoid(logits[0, :, 0])
        hits = np.flatnonzero(scores > LEAST_FOUND)
        return [(float(scores[k]), face_box(boxes[0, k], ANCHORS[k], window)) for k in hits]

    def looked(self, photo: Bytes, window: Window, score: float) -> Face:
        """The points of the face in a window, which the finder is so sure of; it is looked at again where the points are, until
        it is upright."""
        for _ in range(MOST_LOOKS):
            face, turn = self.looked_once(photo, window, score), window.turn
            window = window_around(face.points)
            if face.score < LEAST_SURE or abs(math.remainder(window.turn - turn, math.tau)) < UPRIGHT:
                break
        return self.looked_once(photo, window, score)

    def looked_once(self, photo: Bytes, window: Window, score: float) -> Face:
        points, presence, *_ = self.look(cut(photo, window, LOOKER)[None] / np.float32(255))
        places = points.reshape(-1, 3).astype(float) / LOOKER
        depth = places[:, 2:] * window.side
        score *= float(sigmoid(presence.ravel()[0]))
        return Face(score, np.concatenate([window.to_photo(places[:, :2]), depth], axis=1), window)

    def expression(self, face: Face) -> NDArray:
        """ARKit weights [52]."""
        upright = face.window.to_window(face.points[list(SEEN_BY_EXPRESSION), :2]) * LOOKER
        weights = dict(zip(NAMES, self.express(upright[None])[0].ravel().tolist(), strict=True))
        return np.clip([weights.get(name, 0.0) for name in ARKIT], 0, 1)


@dataclass(frozen=True)
class MediaPipe:
    """A Reader. It finds faces up to about 60 degrees from the front."""

    networks: Networks
    table: Table

    def __call__(self, photo: Bytes) -> list[Reading]:
        return [self.reading(face) for face in self.networks.faces(photo)]

    def reading(self, face: Face) -> Reading:
        """What a face says of the head."""
        landmarks = self.table.landmarks(face.points)
        head = similarity(self.table.place, landmarks)
        points, expression = Points(landmarks[:, :2]), self.networks.expression(face)
        return Reading(face.score, head.shift[:2], head.scale, head.turn, points, expression=expression)


def load_mediapipe(path: str | Path) -> MediaPipe:
    """The reader of a `face_landmarker.task`. FullheadError if it is another file, or the extra is not installed."""
    return MediaPipe(load_networks(existing_file(path, "a face_landmarker.task")), load_table())


def load_networks(path: Path) -> Networks:
    try:
        from ai_edge_litert.interpreter import Interpreter  # type: ignore[import-not-found]
    except ImportError as error:
        raise FullheadError(f'{path.name} needs `pip install "fullhead[mediapipe]"`, which is ai-edge-litert') from error

    def network(content: bytes) -> Network:
        net = Interpreter(model_content=content, num_threads=1)
        net.allocate_tensors()
        into, outs = net.get_input_details()[0]["index"], [detail["index"] for detail in net.get_output_details()]

        def run(values: NDArray) -> list[NDArray]:
            net.set_tensor(into, np.ascontiguousarray(values, np.float32))
            net.invoke()
            return [net.get_tensor(out).copy() for out in outs]

        return run

    hint = "give face_landmarker.task, a model of MediaPipe's Face Landmarker, which its documentation offers for download"
    with reading(path, hint), zipfile.ZipFile(path) as archive:
        return Networks(*(network(archive.read(f"{name}.tflite")) for name in NETWORKS))


def load_table() -> Table:
    """What `tools/mediapipe_points.py` measured."""
    text = (files("fullhead.eyes") / "mediapipe.json").read_text()
    return Table(**{name: np.array(rows) for name, rows in json.loads(text).items()})


def anchors() -> NDArray:
    """[896, 2]: the middle of the cell of each possible face, in parts of what the finder looks at."""
    return np.concatenate([
        np.repeat((np.stack(np.meshgrid(range(n), range(n)), axis=-1).reshape(-1, 2) + 0.5) / n, each, axis=0)
        for n, each in GRIDS
    ])  # fmt: skip


ANCHORS = anchors()


def sigmoid(logit: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-np.clip(logit, -80, 80)))


def face_box(row: NDArray, anchor: NDArray, window: Window) -> Window:
    """The window around a face that the finder found in another; row [16]: centre, width and height, then six points, of which
    the first are the subject's right and left eye; in its pixels, those of places from the anchor [2]."""
    centre, right, left = (anchor + row[k : k + 2] / FINDER for k in (0, 4, 6))
    x, y = window.to_photo(centre).tolist()
    turn = window.turn + math.atan2(left[1] - right[1], left[0] - right[0])
    return Window(x, y, CONTEXT * float(max(row[2:4])) / FINDER * window.side, turn)


def window_around(points: NDArray) -> Window:
    """The upright window around a face with these points [478, 2 or 3]."""
    xy = points[:, :2]
    along = xy[LEFT_EYE] - xy[RIGHT_EYE]
    turn = Window(0, 0, 1, math.atan2(along[1], along[0]))
    own = turn.to_window(xy)
    low, high = own.min(0), own.max(0)
    x, y = turn.to_photo((low + high) / 2).tolist()
    return replace(turn, x=x, y=y, side=CONTEXT * float(max(high - low)))


def search_windows(height: int, width: int, turn: float) -> Iterator[Window]:
    """Where the finder looks: the whole photo, then parts of half and of a quarter of its longer side, half over each other."""
    for level in range(LEVELS):
        side = max(height, width) / 2**level
        if level and side < FINDER:
            return
        for y in centres(height, side):
            for x in centres(width, side):
                yield Window(x, y, side, turn)


def centres(length: int, side: float) -> list[float]:
    """Middles of pieces that cover a length, half over each other; one in the middle if it is shorter than a piece."""
    if length <= side:
        return [length / 2]
    count = math.ceil(2 * (length - side) / side) + 1
    return np.linspace(side / 2, length - side / 2, count).tolist()


def apart(found: Sequence[Scored]) -> list[Scored]:
    """Of scores and windows, each with more or less behind it: the surest of each face, the surest first."""
    kept: list[Scored] = []
    for item in sorted(found, key=lambda item: -item[0]):
        box, others = item[1], [other[1] for other in kept]
        if all(math.hypot(box.x - b.x, box.y - b.y) > SAME_FACE * min(box.side, b.side) / CONTEXT for b in others):
            kept.append(item)
    return kept
