"""The hair styles: numbers that steer how guide hairs grow and how strands follow them.

Lengths are template decimetres on an average head. `comb` names the field that guides follow near the head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import RandomState

Point = tuple[float, float, float]


@dataclass(frozen=True)
class HairStyle:
    """Growth of one style. Weights of directions are relative to each other."""

    strands: int
    length: float  # on top
    comb: str = "whorl"  # a name of growth.COMBS
    points: int = 12  # per strand
    guides: int = 500
    lift: float = 0.35  # along the skin's normal at the root
    front_lift: float = 0.0  # more of it at the forehead
    inertia: float = 0.8  # of the direction so far
    combed: float = 0.6  # of the comb
    gravity: float = 0.05
    offset: float = 0.03  # least distance of hanging hair from the head
    length_spread: float = 0.25  # of the guides' lengths
    uneven: float = 0.15  # how much shorter single strands are
    short_sides: float = 1.0  # length of the sides relative to the top
    fade: float = 1.0  # length at the lower hairline relative to the sides
    short_front: float = 0.0  # how much shorter the hair over the forehead is
    short_back: float = 0.0  # and that behind the crown
    tuck: float = 1.0  # how much long hair is combed back beside the face
    part: float = 0.0  # x of the parting
    cut: float | None = None  # height below which hair is cut off
    fringe: float | None = None  # height down to which hair hangs over the forehead
    slant: float = 0.0  # how much that height rises towards the subject's left
    gathers: tuple[Point, ...] = ()  # where hair is gathered: each root goes to the nearest
    tail: float = 0.0  # length of the tails behind
    tail_direction: Point = (0.0, -0.1, -1.0)  # in which they set out
    bun: float = 0.0  # radius of the bun
    braid: float = 0.0  # radius of the braids
    rope: float = 0.0  # radius of the ropes that all strands of a guide make
    wave: float = 0.0  # amplitude
    wave_rate: float = 2.0  # per dm
    curl: float = 0.0  # radius
    curl_rate: float = 5.0  # turns per dm
    frizz: float = 0.012
    clump: float = 0.35  # how much strands gather at their guide towards the tip
    locks: int = 8  # finer clumps among the strands of one guide
    width: float = 0.010  # of a strand (of several real hairs)


STYLE_SAMPLERS: dict[str, Callable[[RandomState], HairStyle]] = {
    "buzz": lambda r: HairStyle(
        strands=26000, length=r.uniform(0.04, 0.09), lift=1.2, points=4, guides=400, clump=0, width=0.009, offset=0, fade=0.5),
    "receding": lambda r: HairStyle(
        strands=14000, length=r.uniform(0.30, 0.55), lift=0.45, combed=0.8, points=10, frizz=0.015, comb="back",
        short_sides=0.6, fade=0.6, offset=0.02),
    "balding": lambda r: HairStyle(
        strands=11000, length=r.uniform(0.16, 0.3), lift=0.3, points=8, clump=0.2, comb="down", fade=0.7),
    "short": lambda r: HairStyle(
        strands=17000, length=r.uniform(0.35, 0.6), lift=r.uniform(0.7, 1.1), front_lift=r.uniform(0.3, 1.2), combed=0.7,
        points=10, frizz=0.016, comb=str(r.choice(["swept", "forward", "back"])), short_sides=r.uniform(0.25, 0.45), fade=0.4,
        part=float(r.choice([-1, 1])) * 0.3, clump=0.45, uneven=0.3),
    "side_part": lambda r: HairStyle(
        strands=17000, length=r.uniform(0.75, 0.95), comb="swept", part=float(r.choice([-1, 1])) * r.uniform(0.26, 0.34),
        lift=0.5, front_lift=0.6, combed=0.9, inertia=0.65, points=14, clump=0.4, short_sides=0.3, fade=0.5, short_back=0.45),
    "slicked_back": lambda r: HairStyle(
        strands=17000, length=r.uniform(0.85, 1.2), comb="back", front_lift=r.uniform(0.2, 0.7), points=16, clump=0.5,
        short_sides=0.35, fade=0.5, short_back=0.5, combed=0.9, gravity=0.18),
    "pixie": lambda r: HairStyle(
        strands=17000, length=r.uniform(0.65, 0.9), comb="forward", part=float(r.choice([-1, 1])), lift=0.5, front_lift=0.2,
        gravity=0.10, combed=0.8, offset=0.04, points=14, clump=0.5, short_sides=0.6, fade=0.8, uneven=0.4, short_back=0.3,
        fringe=7.68, slant=float(r.choice([-1, 1])) * r.uniform(0.1, 0.35)),
    "curly": lambda r: HairStyle(
        strands=13000, length=r.uniform(0.7, 1.1), lift=1.4, combed=0.3, gravity=0.12, curl=0.075, curl_rate=r.uniform(3, 4.5),
        frizz=0.03, clump=0.65, offset=0.08, points=24, width=0.012, short_sides=0.55, short_front=0.55, fade=0.6),
    "afro": lambda r: HairStyle(
        strands=20000, length=r.uniform(0.45, 0.72), lift=3.0, combed=0, gravity=0, curl=0.05, curl_rate=8, frizz=0.06,
        clump=0.2, offset=0, points=16, inertia=1.0, short_front=0.25, fade=0.6),
    "bob": lambda r: HairStyle(
        strands=17000, length=2.6, comb="part", part=float(r.choice([-0.25, 0, 0.25])), gravity=0.5, offset=0.09, points=20,
        clump=0.4, cut=r.uniform(6.15, 6.5)),
    "fringe": lambda r: HairStyle(
        strands=18000, length=2.6, comb="cap", gravity=0.5, offset=0.08, points=20, clump=0.4, cut=r.uniform(5.7, 6.5),
        fringe=7.50, tuck=0.3),
    "long_straight": lambda r: HairStyle(
        strands=19000, length=r.uniform(3.6, 4.4), comb="part", part=float(r.choice([-0.2, 0, 0.2])), lift=0.22, gravity=0.62,
        offset=0.06, points=24, clump=0.4, cut=r.uniform(4.9, 5.6), uneven=0.06, tuck=1.3),
    "long_wavy": lambda r: HairStyle(
        strands=18000, length=r.uniform(3.2, 4.2), comb="part", part=float(r.choice([-0.25, 0, 0.25])), lift=0.4, gravity=0.5,
        offset=0.11, wave=r.uniform(0.04, 0.075), wave_rate=r.uniform(1.1, 1.8), points=32, clump=0.6, cut=r.uniform(5.0, 5.8)),
    "long_curly": lambda r: HairStyle(
        strands=17000, length=r.uniform(2.4, 3.2), comb="part", part=float(r.choice([-0.25, 0, 0.25])), lift=0.7, gravity=0.36,
        offset=0.15, curl=r.uniform(0.09, 0.13), curl_rate=r.uniform(1.4, 2.0), points=36, clump=0.96, frizz=0.010, locks=2,
        guides=260, cut=r.uniform(5.4, 6.1), width=0.011),
    "ponytail": lambda r: HairStyle(
        strands=16000, comb="gather", length=2.0, points=24, gathers=((0.0, r.uniform(7.4, 8.1), -0.50),),
        tail=r.uniform(1.4, 2.4), lift=0.15, gravity=0, offset=0.05, clump=0.3),
    "bun": lambda r: HairStyle(
        strands=15000, comb="gather", length=2.0, points=18, gathers=((0.0, r.uniform(7.2, 8.2), -0.50),),
        bun=r.uniform(0.34, 0.46), lift=0.15, gravity=0, offset=0.05, clump=0.3),
    "braids": lambda r: HairStyle(
        strands=16000, comb="gather", length=2.0, points=40, gathers=((0.62, 6.85, 0.10), (-0.62, 6.85, 0.10)),
        tail=r.uniform(1.2, 1.9), tail_direction=(0.25, -0.9, 0.35), braid=0.13, lift=0.15, gravity=0, offset=0.05, clump=0.3,
        frizz=0.010),
    "locs": lambda r: HairStyle(
        strands=15000, comb="part", length=r.uniform(1.4, 2.6), lift=0.6, gravity=0.46, offset=0.10, points=20, clump=0.97,
        guides=230, rope=0.05, frizz=0.006, cut=r.uniform(5.5, 6.3), part=float(r.choice([-0.2, 0.2]))),
}  # fmt: skip
