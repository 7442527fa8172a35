"""Claim 4: episodic meta-learning takes a longer path than supervised learning, but ends near it.

Measure: the Riemann length over that of supervised learning of all classes, and the distance of their ends.
Null: 1, and the distances of the ends of other supervised tasks, without random labels, to that of all classes.
Holds, of 2-way and of 5-way episodes: ratio - 2 standard errors > 1, and the ends are nearer than the median of others.
Fails, of both: ratio + 2 standard errors < 1, or the ends are farther than those of all other tasks.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import drawing, finding
from experiments.claims.finding import Finding, decide, mean_and_error
from experiments.claims.runs import ALL, RANDOM, Runs
from info_geometry import trajectory

CLAIM = "Episodic meta-learning takes a longer path than supervised learning, but ends near it"
WHERE = "v4, abstract, 4"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the episodic runs beside the supervised ones."""
    base, rows, holds, fails = runs.supervised[ALL], [], [], []
    paths = {ALL: base, **runs.episodic}
    lengths = {name: [trajectory.riemann_length(x) for x in seeds] for name, seeds in paths.items()}
    tasks = {name: seeds for name, seeds in runs.supervised.items() if name not in (ALL, RANDOM)}
    apart = {name: finding.ends(seeds, base).mean(axis=1) for name, seeds in {**runs.episodic, **tasks}.items()}
    others = [float(apart[name].mean()) for name in tasks]
    for name in runs.episodic:
        ratio = mean_and_error(np.divide(lengths[name], np.mean(lengths[ALL])))
        error = float(np.hypot(ratio[1], ratio[0] * np.divide(*mean_and_error(lengths[ALL])[::-1])))
        end = float(apart[name].mean())
        rows.append(f"{name}: length ratio {ratio[0]:.2f} +- {error:.2f}, distance of ends {end:.3f}")
        holds.append(ratio[0] - 2 * error > 1 and end < np.median(others))
        fails.append(ratio[0] + 2 * error < 1 or end > max(others))
    of_seeds = finding.between_seeds(base)
    return Finding(
        "; ".join(rows),
        f"ends of other tasks {min(others):.3f} to {max(others):.3f} (median "
        f"{np.median(others):.3f}), of seeds {of_seeds:.3f}",
        decide(all(holds), all(fails)),
        {"lengths": lengths, "ends": apart, "between_seeds": of_seeds},
    )


def draw(lengths: dict[str, list[float]], ends: dict[str, list[float]], between_seeds: float) -> Figure:
    """Return the figure: lengths, and distances of ends to supervised learning, {name: values of its seeds}."""
    figure, (left, right) = drawing.two_panels(max(len(lengths), len(ends)))
    drawing.dots(left, {drawing.METHODS[name]: values for name, values in lengths.items()}, "Riemann length")
    drawing.dots(
        right,
        {drawing.METHODS.get(name, name): values for name, values in ends.items()},
        "distance of ends to supervised, all",
        {"between seeds": between_seeds},
    )
    return figure
