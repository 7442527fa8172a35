"""Which runs ended badly: they are left out of comparisons, by a rule, and named.

A few of them take the clusters of a dendrogram, and the progress that is common to all, for themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from info_geometry.files import InputError, log

SAID = 8  # runs that are named in a sentence
MOST = 0.1  # final error on training images (Mao et al. 2024)


@dataclass(frozen=True)
class Sorted:
    """kept: names of runs.  left_out: {name: final error}.  most: the error up to which runs are kept."""

    kept: tuple
    left_out: dict
    most: float

    def __str__(self) -> str:
        if not self.left_out:
            return f"all {len(self.kept)} runs ended with an error of at most {self.most:g}"
        return (
            f"{len(self.left_out)} of {len(self.kept) + len(self.left_out)} runs are left out, which ended with an "
            f"error above {self.most:g}: {some(self.left_out)}"
        )


def some(errors: dict, most: int = SAID) -> str:
    """Return names and errors, `diverged` for what is not a number, of a few, and how many more there are."""
    told = [f"{name} ({'diverged' if np.isnan(error) else f'{error:.3g}'})" for name, error in errors.items()]
    return few(told, most)


def few(texts: Sequence[str], most: int = SAID) -> str:
    """Return the first few of texts, and how many more there are."""
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def large(errors: dict, most: float = MOST) -> dict:
    """Return those of final errors {name: error} that are larger or not a number, the worst first."""
    bad = sorted((-np.inf if np.isnan(e) else -e, str(n), n) for n, e in errors.items() if not e <= most)
    return {name: float(errors[name]) for *_, name in bad}


def by_final_error(errors: dict, most: float = MOST) -> Sorted:
    """Return which runs are kept, of final errors {name: error}; those left out are logged, the worst first.

    An error that is not a number is that of a run that diverged, and the worst.
    Raises InputError where no run is left.
    """
    kept = tuple(name for name, error in errors.items() if error <= most)
    found = Sorted(kept, large(errors, most), most)
    if not kept:
        best = min((e for e in errors.values() if not np.isnan(e)), default=float("nan"))
        raise InputError(
            f"no run of {len(errors)} ended with an error of at most {most:g}; the best ended with {best:.3g}, and "
            "needs more epochs, or another learning rate"
        )
    if found.left_out:
        log.warning("warning: %s", found)
    return found
