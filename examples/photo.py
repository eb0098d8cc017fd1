"""Fit a head to a photo.

The photo is the portrait of the astronaut Eileen Collins that comes with scikit-image (NASA, public domain). `invert_photo`
finds the face and cuts it out. Then it searches for the head that looks like it, and adapts the model a little to come closer.

The result can only be a head that the model can make. `panohead-demo` is small: it learnt from procedural heads, and its
pictures have 64 pixels a side. The photo does not show the sides and the back, so these are guesses.
"""

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

import fullhead

OUT = Path("out/examples/photo")
STEPS, PIVOT_STEPS = (4, 2) if "--quick" in sys.argv else (200, 100)
OPTIONS = fullhead.RenderOptions(size=128)  # pixels a side

photo = astronaut()  # or fullhead.read_image("me.jpg")
model = fullhead.load("panohead-demo")
part, fitted = fullhead.invert_photo(photo, model, config=fullhead.InvertConfig(STEPS, PIVOT_STEPS))
print(f"PSNR over the head {fitted.psnr_head:.1f} dB after {fitted.seconds:.0f} seconds")
fullhead.save(fitted.model, OUT / "head.safetensors", latents=fitted.latents)  # for any command: --model head.safetensors

head = fitted.model.decode(fitted.latents)
cameras = [fitted.camera, *(fullhead.orbit(math.radians(yaw)) for yaw in (-40, 40, 90, 180))]
views = [fullhead.to_uint8(fitted.model.render(head, camera, OPTIONS).image)[0] for camera in cameras]
row = [np.asarray(Image.fromarray(part).resize((128, 128))), *views]
picture = fullhead.contact_sheet([row], column_labels=["photo", "fit", "-40°", "40°", "90°", "180°"])
print(fullhead.save_image(picture, OUT / "photo.jpg"))
