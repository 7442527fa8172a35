"""Claim 7: training on random labels goes elsewhere.

Measure: the final progress of random labels against all other supervised tasks, and the distance of their end to the
nearest end of another task.
Null: the distance of the ends of its seeds.
Holds: progress is below that of every other task by 2 standard errors, and the distance exceeds twice the null.
Fails: the distance does not exceed the null.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import drawing, finding
from experiments.claims.finding import Finding, decide, mean_and_error
from experiments.claims.runs import RANDOM, Runs

CLAIM = "Training on random labels goes elsewhere"
WHERE = "v4, section 4"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the supervised runs."""
    final = {name: [finding.progress(x)[-1] for x in seeds] for name, seeds in runs.supervised.items()}
    found = {name: mean_and_error(values) for name, values in final.items()}
    random, others = runs.supervised[RANDOM], [name for name in runs.supervised if name != RANDOM]
    gaps = [(found[name][0] - found[RANDOM][0], 2 * np.hypot(found[name][1], found[RANDOM][1])) for name in others]
    apart = {name: finding.ends(random, runs.supervised[name]).mean(axis=1) for name in others}
    nearest, null = min(float(values.mean()) for values in apart.values()), finding.between_seeds(random)
    return Finding(
        f"progress {found[RANDOM][0]:.3f} +- {found[RANDOM][1]:.3f}, others from "
        f"{min(found[name][0] for name in others):.3f}; distance to the nearest end {nearest:.3f}",
        f"ends of its seeds {null:.3f}",
        decide(all(gap > error for gap, error in gaps) and nearest > 2 * null, nearest <= null),
        {"progress": final, "ends": apart, "between_seeds": null},
    )


def draw(progress: dict[str, list[float]], ends: dict[str, list[float]], between_seeds: float) -> Figure:
    """Return the figure: final progress, and distances of ends to random labels, {task: values of its seeds}."""
    figure, (left, right) = drawing.two_panels(len(progress))
    drawing.dots(left, progress, "final progress")
    drawing.dots(right, ends, "distance of ends to random labels", {"between seeds": between_seeds})
    return figure
