"""Images a second of the demo model's training: python benchmarks/train.py [--processes 2] [--images 1600]

Writes benchmarks/results/train.json. Runs `fullhead train panohead-synth64` on photos of noise, a process per core, as
docs/commands/train.md says, once drawing photos only and once with the discriminator; figures are those of the log's last
line, so that starting and compiling stay out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from common import write_result
from fullhead.core.cameras import labels_from_cameras, orbit


def write_noise(root: Path, count: int = 64, size: int = 64) -> None:
    """Photos of noise, their masks and cameras, in the layout of a set."""
    rng = np.random.default_rng(0)
    labels = []
    for i in range(count):
        name = f"00000/img{i:08d}.png"
        for folder, shape in (("img", (size, size, 3)), ("seg", (size, size))):
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(path)
        labels.append([name, labels_from_cameras(orbit(0.09 * i))[0].tolist()])
    (root / "img" / "dataset.json").write_text(json.dumps({"labels": labels}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="panohead-synth64")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--images", type=int, default=1600)
    options = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    rates = {}
    with TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        write_noise(photos)
        for name, alone in (("drawing photos", options.images), ("adversarial", 0)):
            run = Path(folder) / name
            command = ["torch.distributed.run", "--nproc-per-node", str(options.processes), "-m", "fullhead.cli", "train"]
            command += [options.preset, str(photos), str(run), "--set", f"task.encoder.alone_images={alone}"]
            command += [f"loop.images={options.images}", f"loop.log_every={options.images // 2}"]
            subprocess.run([sys.executable, "-m", *command], check=True, env=environment)
            last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
            rates[name] = {"images_per_second": last["images_per_second"]}
    write_result("train", rates, preset=options.preset, processes=options.processes)


if __name__ == "__main__":
    main()
