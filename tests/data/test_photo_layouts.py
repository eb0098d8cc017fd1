"""Layouts of published collections, on small stand-ins made by their documentation."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullhead.core.cameras import orbit
from fullhead.core.errors import FullheadError
from fullhead.data.align import align_photos
from fullhead.data.options import AlignOptions, PhotoLayout
from fullhead.data.photo_layouts import find_photos
from fullhead.data.photos import PhotoSet
from fullhead.eyes.reading import Reading
from fullhead.eyes.window import Window
from fullhead.io.images import Bytes
from fullhead.io.stores import open_store
from fullhead.synth.datasets.shots import camera_label
from fullhead.viewing.aligned import report

OPTIONS = AlignOptions(size=32, min_pixels=16, min_sharpness=0, min_light=0)
LABEL = camera_label(orbit(0.7, 0.1))


@dataclass(frozen=True)
class Everywhere:
    """A reader that finds a head at each of some places, seen from `yaw`."""

    places: tuple[tuple[float, float], ...] = ((32.0, 32.0),)
    yaw: float = 0.4
    matte: bool = True

    def __call__(self, photo: Bytes) -> list[Reading]:
        turn = orbit(self.yaw).c2w[0, :3, :3].numpy().T
        matte = np.full((8, 8), 0.5, np.float32) if self.matte else None
        return [Reading(1, np.array(place), 60, turn, window=Window(*place, 64), matte=matte) for place in self.places]


def picture(path: Path, size: tuple[int, int] = (64, 64), value: int = 120) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path)


def aligned(root: Path, layout: PhotoLayout, reader: Everywhere, **changes: object) -> list[dict]:
    out = root.with_name("out")
    options = AlignOptions(**{**vars(OPTIONS), "layout": layout, **changes})
    align_photos(root, out, options, reader=reader, workers=0, quiet=True)
    return json.loads((out / "heads.json").read_text())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "collection"


def test_ffhq_says_which_head_of_a_photo_in_the_wild_is_meant(root: Path) -> None:
    picture(root / "in-the-wild-images/00000/00000.png", (160, 64))
    picture(root / "images1024x1024/00000/00001.png")
    entries = {}
    for number in (0, 1, 2):  # the first in the wild, the second only aligned, the third not downloaded
        kinds = {"in_the_wild": "in-the-wild-images", "image": "images1024x1024"}
        points = {"in_the_wild": [[120, 32]] * 68, "image": [[32, 32]] * 68}
        entries[str(number)] = {
            kind: {"file_path": f"{folder}/00000/{number:05d}.png", "face_landmarks": points[kind]}
            for kind, folder in kinds.items()
        }
    (root / "ffhq-dataset-v2.json").write_text(json.dumps(entries))
    rows = aligned(root, "ffhq", Everywhere(((32, 32), (122, 30))))
    assert [(row["photo"], row["window"]["x"]) for row in rows] == [
        ("images1024x1024/00000/00001.png", 32),
        ("in-the-wild-images/00000/00000.png", 122),
    ]


@pytest.mark.parametrize("ending", ["", "_eg3d"])
def test_lpff_gives_aligned_pictures_with_their_cameras(root: Path, ending: str) -> None:
    picture(root / f"crop/eg3d/1@N06_2_01{ending}.png")
    picture(root / "crop/eg3d/unknown.png")
    picture(root / "raw/1@N06_2.png")
    (root / "camera_parameters.json").write_text(json.dumps({"1@N06_2_01": LABEL}))
    (row,) = aligned(root, "lpff", Everywhere())
    assert row["yaw"] == pytest.approx(0.7, abs=1e-4)  # the collection's, not the reader's
    assert PhotoSet(root.with_name("out")).labels[0].tolist() == pytest.approx(LABEL)


def test_labelled_sets_bring_their_cameras_and_masks_and_need_no_reader(root: Path) -> None:
    picture(root / "img/00000/img00000000.png", (48, 48))
    (root / "seg/00000").mkdir(parents=True)
    Image.new("L", (48, 48), 200).save(root / "seg/00000/img00000000.png")
    listed = {"labels": [["00000/img00000000.png", LABEL], ["00000/not-there.png", LABEL]]}
    (root / "img/dataset.json").write_text(json.dumps(listed))
    align_photos(root, root.with_name("out"), AlignOptions(**{**vars(OPTIONS), "layout": "labelled"}), workers=0, quiet=True)
    photos = PhotoSet(root.with_name("out"))
    assert photos.labels[0].tolist() == pytest.approx(LABEL)
    assert (open_store(root.with_name("out"), "seg").picture(photos.mask_names[0], "L") == 200).all()


def test_celebamask_brings_its_parts_and_they_are_the_matte(root: Path) -> None:
    picture(root / "CelebA-HQ-img/7.jpg")
    folder = root / "CelebAMask-HQ-mask-anno/0"
    folder.mkdir(parents=True)
    for part, box in (("skin", (8, 8, 24, 24)), ("nose", (14, 14, 18, 18)), ("hair", (8, 0, 24, 8))):
        mask = Image.new("RGB", (32, 32))
        mask.paste((255, 255, 255), box)
        mask.save(folder / f"00007_{part}.png")
    rows = aligned(root, "celebamask", Everywhere(matte=False), parts=True)
    parts = open_store(root.with_name("out"), "parts").picture(rows[0]["file"], "P")
    matte = open_store(root.with_name("out"), "seg").picture(rows[0]["file"], "L")
    assert set(np.unique(parts)) == {0, 1, 2, 13}
    assert parts[16, 16] == 2  # the nose lies on the skin
    assert ((matte > 127) == (parts > 0)).mean() > 0.9


@pytest.mark.parametrize(("turn", "sign"), [("left", 1), ("right", -1)])
def test_khairstyle_gives_yaws_and_noise_keeps_them_from_being_the_same(root: Path, turn: str, sign: int) -> None:
    for number in range(3):
        picture(root / f"images/CP{number}.jpg", value=100 + number)
        (root / "labels").mkdir(exist_ok=True)
        (root / f"labels/CP{number}.json").write_text(json.dumps({"attributes": [{"horizontal": "150"}]}))
    picture(root / "images/without.jpg")
    rows = aligned(root, "khairstyle", Everywhere(yaw=2.5), yaw_turn=turn)
    yaws = [math.degrees(row["yaw"]) for row in rows]
    assert yaws == pytest.approx([sign * 150] * 3, abs=12)
    assert len({round(yaw, 2) for yaw in yaws}) == 3
    assert rows[0]["read_yaw"] == pytest.approx(2.5, abs=1e-4)
    labels = PhotoSet(root.with_name("out")).labels
    assert labels[0].tolist() == pytest.approx(camera_label(orbit(rows[0]["yaw"], rows[0]["pitch"])), abs=1e-4)
    assert "degrees between given yaws and read ones" in report(root.with_name("out")).lines[-1]


@pytest.mark.parametrize("layout", ["ffhq", "lpff", "celebamask", "khairstyle", "labelled", "files"])
def test_a_folder_of_another_layout_is_refused_in_words(root: Path, layout: PhotoLayout) -> None:
    with pytest.raises(FullheadError, match="no folder"):
        find_photos(root, layout)
    root.mkdir()
    with pytest.raises(FullheadError, match=r"--layout|no photos|unpack"):
        find_photos(root, layout)


@pytest.mark.parametrize(
    ("layout", "name", "text"),
    [
        ("ffhq", "ffhq-dataset-v2.json", '{"0": {"image": 3}}'),
        ("ffhq", "ffhq-dataset-v2.json", "[]"),
        ("lpff", "camera_parameters.json", '{"a": [1, 2]}'),
        ("labelled", "dataset.json", '{"labels": [["a.png", [1]]]}'),
        ("labelled", "dataset.json", '{"labels": null}'),
        ("khairstyle", "a.json", '{"horizontal": "sideways"}'),
        ("khairstyle", "a.json", "{}"),
    ],
)
def test_damaged_lists_are_refused_in_words(root: Path, layout: PhotoLayout, name: str, text: str) -> None:
    picture(root / "a.png")
    (root / name).write_text(text)
    with pytest.raises(FullheadError, match="cannot read"):
        find_photos(root, layout)
