"""Claim 7: training on random labels goes elsewhere.

Measure: the distance of the end of random labels to the nearest end of another task, minus the largest of what the same
is for any other task, seed by seed.
Null: 0.
Holds: the mean - 2 standard errors is above 0.  Fails: the mean + 2 standard errors is below 0.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import drawing, finding
from experiments.claims.runs import RANDOM, Runs
from learning.finding import Finding, decide, mean_and_error

CLAIM = "Training on random labels goes elsewhere"
WHERE = "v4, section 4"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the supervised runs."""
    D, of = finding.ends_of_all(runs.supervised)
    apart = {
        name: {other: D[np.ix_(of == name, of == other)].mean(axis=1) for other in runs.supervised if other != name}
        for name in runs.supervised
    }
    nearest = {name: np.min(list(rows.values()), axis=0) for name, rows in apart.items()}  # of each seed
    margin = nearest[RANDOM] - np.max([values for name, values in nearest.items() if name != RANDOM], axis=0)
    mean, error = mean_and_error(margin)
    lonely = max((float(values.mean()), name) for name, values in nearest.items() if name != RANDOM)
    final = {name: np.mean([finding.progress(x)[-1] for x in seeds]) for name, seeds in runs.supervised.items()}
    return Finding(
        f"{mean:.3f} +- {error:.3f} (random labels {nearest[RANDOM].mean():.3f}, then {lonely[1]} {lonely[0]:.3f})",
        "0",
        decide(mean - 2 * error > 0, mean + 2 * error < 0),
        {"nearest": nearest, "ends": apart[RANDOM]},
        f"between seeds of random labels {finding.between_seeds(runs.supervised[RANDOM]):.3f}; final progress "
        f"{final[RANDOM]:.3f}, of others from {min(value for name, value in final.items() if name != RANDOM):.3f}",
    )


def draw(nearest: dict[str, np.ndarray], ends: dict[str, np.ndarray]) -> Figure:
    """Return the figure: distances of ends to the nearest other end, and to random labels, {task: of its seeds}."""
    figure, (left, right) = drawing.two_panels(len(nearest))
    drawing.dots(left, nearest, "distance of the end to the nearest other")
    drawing.dots(right, ends, "distance of the end of random labels to it")
    return figure
