"""What the commands that write sets have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fullhead.core.errors import FullheadError, counted
from fullhead.io.files import check_place

if TYPE_CHECKING:
    from fullhead.io.sets import Recipe
    from fullhead.synth.people.population import Population


@dataclass(frozen=True)
class WriteOptions:
    """How a set is written."""

    form: Literal["folder", "zip", "tar"] = "folder"
    """Files in folders; or in zip shards with the same names; or in tar shards grouped by sample (webdataset's layout)."""
    share: str = "0/1"
    """i/n writes every n-th shard, from the i-th, so n machines can share the work in one folder."""
    workers: int = 2
    """Processes; 0 works in this one."""

    def write(self, out: Path, recipe: Recipe, noun: str) -> int:
        """Write the set, or what is missing of it, and say so, also on Ctrl-C. Returns how many are new."""
        from fullhead.io.sets import write_set

        check_place(out, folder=True)
        try:
            new = write_set(out, recipe, form=self.form, share=self.check(), workers=self.workers)
        except KeyboardInterrupt:
            print(f"Stopped. What is finished is in {out}; run the same command again to go on.")
            raise
        print(f"{counted(new, f'new {noun}')} in {out}")
        return new

    def check(self) -> tuple[int, int]:
        """Which share of how many this run writes; refuses one that cannot be."""
        which, _, count = self.share.partition("/")
        if not (which.isdigit() and count.isdigit()) or int(which) >= int(count):
            raise FullheadError(f"--share {self.share!r} is not i/n, such as 0/4 for the first of four")
        return int(which), int(count)


@dataclass(frozen=True)
class SetOptions(WriteOptions):
    """How a set of procedural heads is written."""

    set: tuple[str, ...] = ()
    """Who the heads are, as in hair.style=afro person.men=0.2 skin.tone=0.6,1; a wrong name, as in
    x=1 or hair.x=1, lists the right ones."""

    def population(self) -> Population:
        """From what the heads are drawn."""
        from fullhead.synth.people.population import population

        return population(self.set)
