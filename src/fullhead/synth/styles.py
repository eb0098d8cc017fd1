"""The hair styles: numbers that steer how guide hairs grow and how strands follow them.

Lengths are template decimetres on an average head. `comb` names the field that guides follow near the head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import RandomState


@dataclass(frozen=True)
class HairStyle:
    """Growth of one style. Weights of directions are relative to each other."""

    strands: int
    length: float
    comb: str = "whorl"  # whorl, forward, back, part, gather
    points: int = 12  # per strand
    guides: int = 400
    lift: float = 0.35  # along the skin's normal at the root
    inertia: float = 0.8  # of the direction so far
    combed: float = 0.6  # of the comb
    gravity: float = 0.05
    offset: float = 0.03  # least distance of hanging hair from the head
    length_spread: float = 0.2
    short_sides: float = 1.0  # length of the sides relative to the top
    short_front: float = 0.0  # how much shorter the hair over the forehead is
    part: float = 0.0  # x of the parting
    cut: float | None = None  # height below which hair is cut off
    gather: tuple[float, float, float] = (0.0, 8.0, -0.5)  # where a tail or bun sits
    tail: float = 0.0  # length of the tail
    fringe: bool = False
    bun: bool = False
    wave: float = 0.0  # amplitude
    wave_rate: float = 2.0  # per dm
    curl: float = 0.0  # radius
    curl_rate: float = 5.0  # turns per dm
    frizz: float = 0.012
    clump: float = 0.35  # how much strands gather at their guide towards the tip
    width: float = 0.011  # of a strand (of several real hairs)


def _gathered(random: RandomState, length: float, points: int, tail: float = 0.0, bun: bool = False) -> HairStyle:
    place = (0.0, float(random.uniform(7.6, 8.1)), -0.50)
    return HairStyle(
        comb="gather", strands=14000, length=length, gather=place, lift=0.15, gravity=0, offset=0.05, points=points, clump=0.3,
        frizz=0.02, tail=tail, bun=bun,
    )  # fmt: skip


STYLE_OF: dict[str, Callable[[RandomState], HairStyle]] = {
    "buzz": lambda r: HairStyle(strands=24000, length=0.06, lift=1.2, points=4, guides=300, clump=0, width=0.010, offset=0),
    "balding": lambda r: HairStyle(strands=9000, length=0.22, lift=0.3, points=6, clump=0.2),
    "short": lambda r: HairStyle(
        strands=14000, length=r.uniform(0.3, 0.6), lift=r.uniform(0.5, 1.1), combed=0.8, points=10, frizz=0.02, clump=0.4,
        comb=str(r.choice(["whorl", "forward"])), short_sides=0.5,
    ),
    "sidepart": lambda r: HairStyle(
        strands=14000, length=r.uniform(0.65, 1.0), comb="part", part=float(r.choice([-1, 1])) * 0.28, lift=0.45, gravity=0.16,
        offset=0.05, points=14, clump=0.45, short_sides=0.25,
    ),
    "slickback": lambda r: HairStyle(
        strands=14000, length=r.uniform(0.9, 1.4), comb="back", lift=0.3, points=14, clump=0.4, short_sides=0.22, offset=0.03,
        combed=0.9, gravity=0.12,
    ),
    "curly": lambda r: HairStyle(
        strands=12000, length=r.uniform(0.8, 1.3), lift=1.4, combed=0.3, gravity=0.12, curl=0.075, curl_rate=r.uniform(3, 4.5),
        frizz=0.03, clump=0.65, offset=0.10, points=24, width=0.013, short_sides=0.6, short_front=0.6,
    ),
    "afro": lambda r: HairStyle(
        strands=16000, length=r.uniform(0.5, 0.85), lift=3.0, combed=0, gravity=0, curl=0.05, curl_rate=8, frizz=0.06,
        clump=0.2, offset=0, points=16, width=0.014, inertia=1.0, short_front=0.25,
    ),
    "bob": lambda r: HairStyle(
        strands=16000, length=2.6, comb="part", part=float(r.choice([-0.25, 0, 0.25])), lift=0.35, gravity=0.5, offset=0.10,
        points=20, clump=0.4, cut=r.uniform(6.15, 6.5), width=0.012,
    ),
    "bangs": lambda r: HairStyle(
        strands=17000, length=2.6, comb="part", lift=0.35, gravity=0.5, offset=0.10, points=20, clump=0.4,
        cut=r.uniform(6.0, 6.5), width=0.012, fringe=True,
    ),
    "long": lambda r: HairStyle(
        strands=18000, length=r.uniform(3.6, 4.4), comb="part", part=float(r.choice([-0.2, 0, 0.2])), lift=0.22, gravity=0.62,
        offset=0.06, points=24, clump=0.4, width=0.012, cut=r.uniform(4.9, 5.6),
    ),
    "wavy": lambda r: HairStyle(
        strands=17000, length=r.uniform(3.2, 4.2), comb="part", part=float(r.choice([-0.25, 0, 0.25])), lift=0.4, gravity=0.5,
        offset=0.13, wave=r.uniform(0.04, 0.075), wave_rate=r.uniform(1.1, 1.8), points=32, clump=0.6, width=0.012,
        cut=r.uniform(5.0, 5.8),
    ),
    "ponytail": lambda r: _gathered(r, length=4.2, points=28, tail=r.uniform(1.4, 2.4)),
    "bun": lambda r: _gathered(r, length=3.2, points=18, bun=True),
}  # fmt: skip
