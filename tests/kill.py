"""Kills commands with kill -9 at random moments, runs them again, and compares what is there with an undisturbed run.

    python -m tests.kill --times 50 --seed 0

Each command is a process of its own, forked from this one after the imports, so that the moments fall into its work. POSIX.
Of commands with worker processes, every other kill hits one worker; the others hit their parent, and the workers must end
by themselves.

A command is killed up to three times in the same folder before it may end. Half of the kills come at a random moment, the
others at the first write after it. What a kill leaves must be whole: every file with its final name can be read to its end, and
results that belong together are all there or none. The last run must succeed, give the same bytes, and leave no temporary.

The same bytes means: of a .safetensors the same tensors and header, whose order in the file is chance; of log.jsonl all but the
rate; tensorboard/ is left out, which holds the time of day.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from skimage.data import astronaut

import fullhead.convert.ganhead
import fullhead.data.prepare
import fullhead.export.rigged_files
import fullhead.families.table
import fullhead.fitting.align
import fullhead.synth.datasets.photos
import fullhead.synth.datasets.scans
import fullhead.training.run  # noqa: F401  (what commands import once they begin, they need not import here each time)
from fullhead.cli import main
from fullhead.io.files import TEMPORARY
from fullhead.models.ganhead import GANHead, GANHeadConfig

KILLS = 3  # at most, in one folder
TOGETHER = ("invert",)  # whose results stand all or not at all
LONELY = 20.0  # seconds after which workers without a parent must be gone
CASES = {
    "synth photos": "synth photos OUT --images 8 --size 48 --views-per-head 2 --seed 3 --workers 0",
    "synth photos, zip": "synth photos OUT --images 8 --size 48 --views-per-head 2 --seed 3 --workers 0 --form zip",
    "synth photos, workers": "synth photos OUT --images 24 --size 48 --views-per-head 2 --seed 3 --workers 2",
    "synth photos, tar, workers": "synth photos OUT --images 80 --size 32 --views-per-head 1 --seed 3 --workers 2 --form tar",
    "synth scans, workers": "synth scans OUT --subjects 4 --scans-per-subject 1 --resolution 40 --workers 2",
    "synth heads360, workers": "synth heads360 OUT --subjects 1 --size 16 --expressions jawOpen,cheekPuff --workers 2",
    "synth views, workers": "synth views OUT --images 16 --size 48 --views-per-sitting 2 --workers 2",
    "synth video, workers": "synth video OUT --clips 2 --frames 8 --size 48 --workers 2 --preview webp",
    "prepare": "prepare IN/scans OUT --near 2000 --uniform 2000 --surface 2000 --size 64 --shapes 30 --workers 0",
    "train": "train panohead-tiny IN/photos OUT --device cpu --set loop.images=40 loop.save_minutes=0 loop.preview_every=16",
    "invert": "invert IN/photo.png --out OUT --box 181,56,86,86 --steps 4 --pivot-steps 2",
    "convert": "convert IN/last.ckpt OUT/model.safetensors",
    "export": "export --seeds 0 --out OUT --suffix .obj --texture-size 512 --resolution 32 --faces 1500",
}


@dataclass(frozen=True)
class Killed:
    """The kills of one folder and what came of them."""

    command: str
    moments: list[str]
    failures: list[str]
    seconds: float  # of the command, as last seen: a machine is not always as busy


def start(command: str, inputs: Path, out: Path) -> int:
    """Begin a command in a process of its own, which says what it says to a file beside `out`; returns its number."""
    words = [word.replace("IN/", f"{inputs}/").replace("OUT", str(out)) for word in command.split()]
    sys.stdout.flush()
    if number := os.fork():
        return number
    os.setpgid(0, 0)  # so that its workers are found
    code = 1
    try:
        with out.with_suffix(".txt").open("w") as said:
            os.dup2(said.fileno(), 1), os.dup2(said.fileno(), 2)
        main(words)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def finish(command: str, inputs: Path, out: Path) -> tuple[int, str, float]:
    """Run a command to its end: exit code, what it said, seconds."""
    begun = time.monotonic()
    code = os.waitstatus_to_exitcode(os.waitpid(start(command, inputs, out), 0)[1])
    return code, out.with_suffix(".txt").read_text(), time.monotonic() - begun


def make_inputs(inputs: Path) -> None:
    """What the commands read."""
    sys.path.insert(0, str(Path(__file__).parent / "convert"))
    from test_ganhead_checkpoints import original_names, written  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    written(inputs / "last.ckpt", original_names(GANHead(GANHeadConfig(scans=200, rig="flame"))))
    Image.fromarray(astronaut()).save(inputs / "photo.png")
    for command in (
        "synth photos OUT --images 16 --size 64 --views-per-head 2 --workers 0",
        "synth scans OUT --subjects 3 --scans-per-subject 1 --resolution 40 --workers 0",
    ):
        code, said, _ = finish(command, inputs, inputs / command.split()[1])
        assert code == 0, said


def files(out: Path) -> list[Path]:
    """All but hidden files and TensorBoard's."""
    return [p for p in sorted(out.rglob("*")) if p.is_file() and p.name[0] != "." and p.parent.name != "tensorboard"]


def hidden(out: Path) -> list[Path]:
    return [p for p in out.rglob(".*") if p.is_file()]


def digest(path: Path) -> str:
    """Checksum of what a file says."""
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as handle:
            told = json.dumps(handle.metadata(), sort_keys=True).encode()
            for name in sorted(handle.keys()):
                tensor = handle.get_tensor(name)
                numbers = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
                told += f"{name} {tensor.dtype} {list(tensor.shape)}".encode() + hashlib.sha256(numbers).digest()
    elif path.name == "log.jsonl":
        lines = map(json.loads, path.read_text().splitlines())
        told = json.dumps([{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]).encode()
    else:
        told = path.read_bytes()
    return hashlib.sha256(told).hexdigest()


def digests(out: Path) -> dict[str, str]:
    return {path.relative_to(out).as_posix(): digest(path) for path in files(out)}


def half_written(out: Path, whole: dict[str, str]) -> Iterable[str]:
    """Files that cannot be read to their end, and files that the undisturbed run does not have."""
    for path in files(out):
        name = path.relative_to(out).as_posix()
        try:
            if name not in whole:
                yield f"{name} is not of the undisturbed run"
            elif path.suffix == ".png":
                Image.open(path).load()
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    assert archive.testzip() is None
            elif path.suffix == ".safetensors":
                digest(path)
            elif path.name not in ("log.jsonl", "SHA256SUMS") and digest(path) != whole[name]:
                yield f"{name} differs"
        except Exception as error:
            yield f"{name}: {error}"


def workers(group: int) -> list[int]:
    """The worker processes of a command, which are in its process group."""
    listed = subprocess.run(("ps", "-A", "-o", "pid=,pgid=,stat=,args="), capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 3) for line in listed.splitlines())
    return [int(pid) for pid, of, state, args in rows if int(of) == group and "spawn_main" in args and state[0] != "Z"]


def kill(command: str, inputs: Path, out: Path, after: float, at_write: bool, worker: bool) -> tuple[bool, float]:
    """Start a command and kill it, or one `worker` of it, after some seconds, or at the first write then: whether it still ran,
    and its seconds. AssertionError if workers outlive their parent, or a parent takes the death of a worker badly."""
    begun, process = time.monotonic(), start(command, inputs, out)

    def ended() -> bool:
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    while time.monotonic() < begun + after and not ended():
        time.sleep(0.002)
    while at_write and not ended() and not any(path.name.startswith(TEMPORARY) for path in hidden(out)):
        time.sleep(0.0005)
    at, theirs = time.monotonic() - begun, workers(process) if worker else []
    os.kill(theirs[-1] if theirs else process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    ended_at = time.monotonic()
    while left := workers(process):
        assert time.monotonic() < ended_at + LONELY, f"workers {left} live on"
        time.sleep(0.05)
    said = out.with_suffix(".txt").read_text()
    assert not theirs or code == 0 or (code == 2 and "a worker process died" in said), f"{code}: {said}"
    assert "Traceback" not in said, said
    return code != 0, at


def trial(name: str, inputs: Path, out: Path, seconds: float, whole: dict[str, str], chance: random.Random) -> Killed:
    """Kill a command some times, look at what each kill left, run it to its end, and compare."""
    moments, failures, there = list[str](), list[str](), list[str]()
    for _ in range(KILLS):
        at_write, worker = chance.random() < 0.5, "workers" in name and chance.random() < 0.5
        try:
            killed, at = kill(CASES[name], inputs, out, seconds * chance.uniform(0.05, 0.8), at_write, worker)
        except AssertionError as error:
            failures.append(str(error))
            break
        there = [path.relative_to(out).as_posix() for path in files(out)]
        if not killed:
            seconds = seconds if moments else at
            break
        how = " (a write)" * at_write + " (a worker)" * worker
        moments.append(f"{at:.1f} s{how}: {len(there)} files, {len(hidden(out))} hidden")
        failures += half_written(out, whole)
        if name in TOGETHER and len(there) not in (0, len(whole)):
            failures.append(f"only {', '.join(there)}")
    code, said, _ = finish(CASES[name], inputs, out)
    complete = there == sorted(whole) and "exists already" in said  # it had ended: it is not repeated, and says so
    if code and not complete:
        failures.append(f"the last run ended with {code}: {said.strip()}")
    now = digests(out)
    changed = [file for file in sorted(now.keys() | whole) if now.get(file) != whole.get(file)]
    failures += [f"{file} differs from the undisturbed run" for file in changed]
    failures += [f"{path.name} is left" for path in hidden(out)]
    return Killed(name, moments, failures, seconds)


def report(times: int, seed: int, names: Sequence[str] = tuple(CASES)) -> list[Killed]:
    """Kill the commands `names` in turn until there are `times` kills; prints a table and returns its rows."""
    chance, trials, kills = random.Random(seed), list[Killed](), 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder, "inputs")
        inputs.mkdir()
        torch.set_num_threads(1)
        make_inputs(inputs)
        undisturbed: dict[str, tuple[float, dict[str, str]]] = {}
        print("| command | undisturbed | killed after: found | at the end |\n|---|---|---|---|", flush=True)
        for i in itertools.count():
            name = names[i % len(names)]
            if name not in undisturbed:
                code, said, seconds = finish(CASES[name], inputs, Path(folder, f"whole{i}"))
                assert code == 0, said
                undisturbed[name] = seconds, digests(Path(folder, f"whole{i}"))
            seconds, whole = undisturbed[name]
            row = trial(name, inputs, Path(folder, f"killed{i}"), seconds, whole, chance)
            end = "; ".join(row.failures) or "identical"
            print(f"| {name} | {seconds:.1f} s, {len(whole)} files | {'; '.join(row.moments)} | {end} |", flush=True)
            undisturbed[name] = row.seconds, whole
            trials, kills = [*trials, row], kills + len(row.moments)
            if kills >= times:
                break
    print(f"\n{kills} kills in {len(trials)} folders, {sum(not row.failures for row in trials)} whole and identical at the end")
    return trials


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="number of kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES), help="commands")
    options = parser.parse_args()
    sys.exit(any(row.failures for row in report(options.times, options.seed, options.only)))
