"""Do larger networks go the same way faster?  Steps to reach a progress, by width.  Paths are compared by `tubes`."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from info_geometry.files import InputError


@dataclass(frozen=True)
class Speed:
    """steps (R,) of each run, NaN where the progress was not reached.  rank: Spearman's correlation with width.

    exponent: steps are about width to this power, by least squares on logarithms.  Both are of the runs that reached
    it, and NaN of fewer than 3 or of one width; missed: how many runs of each width did not, {width: count}.
    """

    steps: np.ndarray
    rank: float
    exponent: float
    missed: dict


def steps_to(t: np.ndarray, progress: np.ndarray, level: float) -> float:
    """Return when a run, at progress (T,) at times t (T,), first reached a level; linear between checkpoints.

    NaN where it never did.  Raises InputError where it began beyond, since then nothing is known of when.
    """
    t, progress = np.asarray(t, dtype=np.float64), np.asarray(progress, dtype=np.float64)
    if t.shape != progress.shape or len(t) < 1:
        raise InputError(f"{len(progress)} values of progress at {len(t)} times; expected one each")
    there = np.flatnonzero(progress >= level)
    if not len(there):
        return float("nan")
    i = there[0]
    if progress[i] == level:
        return float(t[i])
    if i == 0:
        raise InputError(f"the run starts at progress {progress[0]:.3f}, beyond {level:g}; take a larger level")
    part = (level - progress[i - 1]) / (progress[i] - progress[i - 1])
    return float(t[i - 1] + part * (t[i] - t[i - 1]))


def by_width(times: list, progress: list, widths: list | np.ndarray, level: float = 0.5) -> Speed:
    """Return the Speed of runs: times (T,), such as steps, and progress (T,) of each, and its width (R,)."""
    widths = np.asarray(widths, dtype=np.float64)
    if not len(times) == len(progress) == len(widths) or (widths <= 0).any():
        raise InputError(f"{len(times)} times, {len(progress)} progress and {len(widths)} widths; expected one each")
    steps = np.array([steps_to(t, p, level) for t, p in zip(times, progress)])
    known = np.isfinite(steps) & (steps > 0)
    missed = {float(width): int((~known[widths == width]).sum()) for width in np.unique(widths)}
    if known.sum() < 3 or np.ptp(widths[known]) == 0 or np.ptp(steps[known]) == 0:
        return Speed(steps, float("nan"), float("nan"), missed)
    logs = np.log(widths[known]), np.log(steps[known])
    return Speed(steps, float(spearmanr(*logs).statistic), float(np.polyfit(*logs, 1)[0]), missed)
