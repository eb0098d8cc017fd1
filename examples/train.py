"""Train a tiny model and watch it learn.

`panohead-tiny` is a PanoHead with a few channels, to try the training in minutes. It first learns to draw the photos of its
set: an encoder finds the latents of each photo, and the generator draws it from there. Sharp heads need more: adversarial
training after that, a larger model, and many hours.

The run writes previews as it goes. The picture shows the first, the middle and the last one: three heads from eight sides.
"""

import sys
from pathlib import Path

import fullhead
from fullhead.families.table import all_runs
from fullhead.training.run import train_run

OUT = Path("out/examples/train")
PHOTOS, IMAGES = (4, 32) if "--quick" in sys.argv else (150, 6400)  # in the set; shown to the model, many times each
SETTINGS = [
    f"loop.images={IMAGES}",
    f"loop.preview_every={IMAGES // 10}",
    f"loop.log_every={IMAGES // 10}",
    "loop.batch=16",
    f'task.encoder={{"alone_images": {IMAGES}}}',  # the part in which it only learns to draw photos
]

fullhead.write_photos(OUT / "photos", fullhead.PhotosOptions(PHOTOS, size=64, views_per_head=1), workers=0, quiet=True)
run = OUT / "run"
train_run("panohead-tiny", all_runs()["panohead-tiny"], OUT / "photos", run, SETTINGS)

previews = sorted((run / "previews").glob("*.png"))
chosen = [previews[0], previews[len(previews) // 2], previews[-1]]
rows = [[fullhead.read_image(preview)[256:448]] for preview in chosen]  # three of its eight heads
picture = fullhead.contact_sheet(rows, row_labels=[f"{int(preview.stem)} images" for preview in chosen])
print(fullhead.save_image(picture, OUT / "train.jpg"))
print(f"the model: {run / 'model.safetensors'}")
