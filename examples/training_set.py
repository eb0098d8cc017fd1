"""Make a small training set: photos with masks, depth and labels.

Each photo shows another procedural head, from another side, before another background. What the photo shows is known exactly.
So there is ground truth beside it: the mask, the depth, the normals, the parts of the head, and 68 landmarks.

The set is a folder in the layout of EG3D and PanoHead, and `fullhead train` takes it as it is.
"""

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import fullhead
from fullhead.io.sets import read_records

OUT = Path("out/examples/training_set")
HEADS, SIZE = (2, 48) if "--quick" in sys.argv else (4, 144)

truth = ("mask", "depth", "normal", "parts")
options = fullhead.PhotosOptions(HEADS, SIZE, views_per_head=1, seed=11, yaw_limit=110, truth=truth)
fullhead.write_photos(OUT / "set", options, workers=0, quiet=True)

rows, labels = [], []
for record in read_records(OUT / "set"):
    view = record["views"][0]
    picture = {field: Image.open(OUT / "set" / field / f"{view['key']}.png") for field in ("img", *truth)}
    depth = np.asarray(picture["depth"], float)  # in steps of 0.2 mm; 0 where nothing is
    near = np.clip(140 - (depth - np.median(depth[depth > 0])) / 4, 20, 255)  # light is near
    picture["depth"] = Image.fromarray(np.where(depth > 0, near, 0).astype(np.uint8))
    rows.append([np.asarray(image.convert("RGB")) for image in picture.values()])
    labels.append(f"{record['attributes']['hair_style']}, {math.degrees(view['yaw']):.0f}°")

sheet = fullhead.contact_sheet(rows, row_labels=labels, column_labels=["photo", *truth])
print(fullhead.save_image(sheet, OUT / "training_set.jpg"))
