"""Where runs that start from another corner (weights of random labels, of few images) join those that start as usual.

At equal progress, means over runs of

    distances   d_B(a run from the corner, the mean of the usual runs)
    width       d_B(a usual run, the mean of the other usual runs)

so that both compare one run with a mean that it is no part of.  Of runs that differ by chance alone, around one path
and by the same variance, the first is (1 + 1/g) / (1 + 1/(g - 1)) of the second, g usual runs: a little less.  They
have joined from where on, for good, distances are at most TIMES the width: room for chance at single values.
"""

from dataclasses import dataclass

import numpy as np

from experiments.manifold import tubes
from info_geometry import predictions
from info_geometry.comparison import compare_all
from info_geometry.files import InputError

TIMES = 2.0


@dataclass(frozen=True)
class Joined:
    """distances (G,) and width (G,), see above, NaN where not all runs have been.

    grid (G,).  at: the smallest progress from which on distances stay within TIMES the width; NaN where they never do.
    """

    grid: np.ndarray
    distances: np.ndarray
    width: np.ndarray
    at: float

    def shrinks(self, early: float, late: float) -> float:
        """Return by what the distance is divided from progress `early` to `late`: above 1 where the groups come nearer.

        Raises InputError where one of the two was not reached by all.
        """
        known = ~np.isnan(self.distances)
        if not known.any() or early < self.grid[known].min() or late > self.grid[known].max():
            between = f"from {self.grid[known].min():.3g} to {self.grid[known].max():.3g}" if known.any() else "nowhere"
            raise InputError(f"the groups are compared {between}, not from progress {early:g} to {late:g}")
        before, after = np.interp([early, late], self.grid[known], self.distances[known])
        return float(before / after) if after else float("inf")


def join(
    corner: list, corner_progress: list, usual: list, usual_progress: list, grid: np.ndarray, times: float = TIMES
) -> Joined:
    """Return where runs from a corner join usual ones: lists of trajectories, progress (T,) of each, on a grid (G,).

    Raises InputError for fewer than 2 usual runs, which say nothing of what chance does, or none from the corner.
    """
    if len(usual) < 2 or not corner:
        raise InputError(
            f"{len(corner)} runs from the corner and {len(usual)} usual ones; expected 1 or more, and 2 or more"
        )
    usual = [predictions.as_trajectory(x, f"usual run {i}") for i, x in enumerate(usual)]
    runs = {i: predictions.as_trajectory(x, f"run {i} from the corner") for i, x in enumerate(corner)}
    groups, progress = {i: [x] for i, x in runs.items()}, {i: [p] for i, p in enumerate(corner_progress)}
    groups["usual"], progress["usual"] = usual, usual_progress
    found = compare_all(groups, progress, grid, pairs=[(i, "usual") for i in runs], errors=False)
    distances = np.mean([found.curves[i, "usual"] for i in runs], axis=0)
    width = tubes.to_mean(usual, usual_progress, grid, others=True).mean(axis=0)
    return Joined(np.asarray(grid), distances, width, joined_at(distances, times * width, grid))


def joined_at(distances: np.ndarray, most: np.ndarray, grid: np.ndarray) -> float:
    """Return the smallest value of the grid (G,) from which on distances (G,) are at most `most` (G,), or NaN.

    Values where either is not known do not count.
    """
    known = np.flatnonzero(~(np.isnan(distances) | np.isnan(most)))
    outside = known[distances[known] > most[known]]
    rest = known if not len(outside) else known[known > outside[-1]]
    return float(grid[rest[0]]) if len(rest) else float("nan")
