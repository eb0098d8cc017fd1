"""`fullhead study`: a user study as a local web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from fullhead.commands.options import check_seed
from fullhead.core.errors import FullheadError, counted


def study(
    methods: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    out: Path = Path("out/study"),
    samples: int = 30,
    seed: int = 0,
    port: int = 0,
    tally: bool = False,
) -> None:
    """Let volunteers score pictures of two methods from 0 to 5, on a page that only this machine can open.

    A method is a folder with geometry/ and texture/, each with three views of every sample: 0007_a.png, 0007_b.png, 0007_c.png.
    Each volunteer sees all samples in an order of their own, and no names; scores are kept as they come. Ctrl-C ends it; run it
    again to go on.

    Args:
        methods: The two folders of pictures.
        out: Folder of the study: study.json, and answers/ with a file per volunteer.
        samples: How many of each method are scored, drawn by chance; others serve for training.
        seed: Of which samples are drawn, and of the orders.
        port: Where the page is served; 0 takes any free port.
        tally: Print what the volunteers of --out said, and serve nothing.
    """
    from fullhead.viewing.study import Study, open_page
    from fullhead.viewing.study import tally as tally_of

    if tally:
        for row in tally_of(out):
            interval = "" if row.half_width is None else f" ± {row.half_width:.2f} (95 %)"
            said = f"{counted(row.scores, 'score')} of {counted(row.volunteers, 'volunteer')}"
            print(f"{row.method} {row.aspect}: {row.mean:.2f}{interval}, {said}")
        return
    if len(methods) != 2:
        raise FullheadError(f"a study compares two methods, not {len(methods)}: give two folders of pictures")
    if samples < 1:
        raise FullheadError(f"--samples {samples}: at least 1")
    check_seed(seed)
    with open_page(Study(out, methods, samples, seed), port) as server:
        print(
            f"open http://{server.server_address[0]}:{server.server_address[1]} (this machine only); Ctrl-C ends the study",
            flush=True,
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"answers are in {out / 'answers'}; fullhead study --tally --out {out} adds them up")
