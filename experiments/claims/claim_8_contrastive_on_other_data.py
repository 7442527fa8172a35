"""Claim 8: contrastive learning on two disjoint sub-tasks ends nearer to each other than supervised learning on them.

Measure: the distance between clothing and footwear, minus that of supervised learning, with fitted temperatures: of the
ends; and of the means over seeds at the largest progress that all four reach.
Null: 0.  A method that learns less is nearer to ignorance, and so to itself, which equal progress takes away.
Holds, a verdict for each method: ends, + 2 standard errors, and at equal progress below 0.
Fails: ends, - 2 standard errors, above 0.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import drawing, finding
from experiments.claims.finding import compare, curve, mean_of_pairs
from experiments.claims.runs import CONTRASTIVE, SUB_TASKS, Runs, Seeds
from info_geometry.figures import style
from learning.finding import Finding, decide

CLAIM = "Contrastive learning on disjoint sub-tasks ends nearer to each other than supervised learning on them"
WHERE = "v1, result 6"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of contrastive and supervised learning on the sub-tasks."""
    verdicts, rows, beside = {}, [], []
    supervised = [runs.fitted[task] for task in SUB_TASKS]
    base = finding.ends(*supervised)
    shown = {"supervised": base.ravel()}
    other, other_error = mean_of_pairs(base)
    plain = mean_of_pairs(finding.ends(*(runs.supervised[task] for task in SUB_TASKS)))
    for method in CONTRASTIVE:
        name = drawing.METHODS[f"all_{method}"]
        mine = [runs.fitted[f"{task}_{method}"] for task in SUB_TASKS]
        D = finding.ends(*mine)
        value, error = mean_of_pairs(D)
        gap, error = value - other, float(np.hypot(error, other_error))
        at, equal = at_equal_progress(mine, supervised)
        verdicts[name] = decide(gap + 2 * error < 0 and equal[0] < equal[1], gap - 2 * error > 0)
        rows.append(
            f"{name}: ends {gap:+.3f} +- {error:.3f} ({value:.3f} against {other:.3f}), at progress {at:.2f} "
            f"{equal[0] - equal[1]:+.3f} ({equal[0]:.3f} against {equal[1]:.3f})"
        )
        one = mean_of_pairs(finding.ends(*(runs.contrastive[f"{task}_{method}"] for task in SUB_TASKS)))
        beside.append(f"{name} at temperature 1 {one[0]:.3f} against {plain[0]:.3f}")
        shown[name] = D.ravel()
    return Finding("; ".join(rows), "0", finding.of_methods(verdicts), {"ends": shown}, "; ".join(beside))


def at_equal_progress(mine: list[Seeds], others: list[Seeds]) -> tuple[float, tuple[float, float]]:
    """Return the largest progress that all reach, and there the distance of mine, and of others; NaN for none."""
    groups = {
        f"{side} {k}": seeds for side, pair in (("mine", mine), ("others", others)) for k, seeds in enumerate(pair)
    }
    found = compare(groups)
    curves = [curve(found.curves, f"{side} 0", f"{side} 1") for side in ("mine", "others")]
    known = np.flatnonzero(np.isfinite(curves).all(axis=0))
    if not len(known):
        return float("nan"), (float("nan"), float("nan"))
    return float(found.grid[known[-1]]), (float(curves[0][known[-1]]), float(curves[1][known[-1]]))


def draw(ends: dict[str, np.ndarray]) -> Figure:
    """Return the figure: distances of ends on the two sub-tasks, {method: of all pairs of seeds}."""
    figure = Figure((style.PAGE, 0.95 + 0.25 * len(ends)), layout="constrained")
    drawing.dots(figure.add_subplot(), ends, f"distance of the ends of {' and '.join(SUB_TASKS)}, fitted", errors=False)
    return figure
