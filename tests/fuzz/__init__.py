"""Bad and extreme inputs of every kind that the product reads.

Whatever a file, a folder or a command line says, the product reads it or refuses it with a FullheadError of one line: it
never breaks off with a traceback, never takes more than a gigabyte beside its own, never runs code of the input, and is
never busy without end. `pytest` tries some inputs of each kind, always the same ones; `python -m tests.fuzz --help` tries new
ones for as long as you like.

    product.py     valid inputs of each kind, and what the product does with an input
    inputs.py      bad inputs: valid ones that are changed, and some that are made
    runner.py      a process that forks for each input, so that imports are paid once, and says how it went
"""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / name) for name in ("", "convert", "rig")]  # whose helpers make valid inputs
