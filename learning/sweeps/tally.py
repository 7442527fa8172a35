"""What came of the runs of a grid at a stage, counted and said."""

import collections
import sys

from tqdm import tqdm

from learning.grids import Grid
from learning.runs.diverged import DIVERGED
from learning.runs.run import SKIPPED
from learning.workers import Outcome


class Tally:
    """What came of the runs of a grid at a stage, of which some are left."""

    def __init__(self, grid: Grid, stage: str, bar: tqdm, left: int = 0):
        self.title = f"{grid.name}, {stage}" if grid.name else stage
        self.counts, self.left = collections.Counter(), left
        self._bar, self._said = bar, set()

    def add(self, outcome: Outcome) -> None:
        """Count what came of a run; say its error, unless it was said."""
        self.counts[outcome.what] += 1
        self.left -= 1
        if outcome.error and outcome.error not in self._said:
            self._said.add(outcome.error)
            self._bar.write(f"error: {outcome.error}", file=sys.stderr)
        self._bar.update()

    @property
    def failed(self) -> int:
        """How many failed; what diverged did what its settings have it do."""
        return self.counts["failed"]

    def say(self) -> None:
        """Say what came of all runs in one line."""
        whats = "done", SKIPPED, "failed", *(what for what in (DIVERGED, "held") if self.counts[what])
        print(f"{self.title}: " + ", ".join(f"{self.counts[what]} {what}" for what in whats), flush=True)
