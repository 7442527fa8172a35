"""Claim 5: contrastive and semi-supervised learning follow trajectories near those of supervised learning.

Measure: the mean distance to supervised learning of all classes at equal progress, over the common range.
Null: the same of other supervised tasks, without random labels, over the same range; that of a seed to the mean of
the others.
Holds: it is below the median of other tasks for SimCLR, Barlow Twins and FixMatch.
Fails: it is above all other tasks for most of them.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from experiments.claims import drawing
from experiments.claims.finding import Finding, compare, curve, decide, error_of_mean, mean_where
from experiments.claims.runs import ALL, RANDOM, Runs, Seeds
from info_geometry.figures import style

CLAIM = "Contrastive and semi-supervised learning follow trajectories near those of supervised learning"
WHERE = "v4, abstract, 5"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the contrastive and semi-supervised runs beside the supervised ones."""
    found = compare({**runs.supervised, **runs.near})
    methods = {name: curve(found.curves, name, ALL) for name in runs.near}
    others = {name: curve(found.curves, name, ALL) for name in runs.supervised if name not in (ALL, RANDOM)}
    rows, shared, holds, fails = [], [], [], []
    for name, mine in methods.items():
        same = [mean_where(other, mine, found.grid) for other in others.values()]
        same = [value for value in same if np.isfinite(value)]
        value, error = mean_where(mine, mine, found.grid), error_of_mean(found, name, ALL)
        against = (
            f"{min(same):.3f} to {max(same):.3f} (median {np.median(same):.3f})"
            if same
            else "nothing: no other task comes as far"
        )
        rows.append(f"{name}: {value:.3f} +- {error:.3f} against {against}")
        holds.append(bool(same) and value < np.median(same))
        fails.append(bool(same) and value > max(same))
        nearer = [_nearer(mine, other, found.grid) for other in others.values()]
        shared.append(f"{name} than {sum(nearer)} of {len(nearer)}")
    alone = _each_seed_and_the_rest(runs.supervised[ALL])
    apart = float(np.mean([pair.means()[0, 1] for pair in alone] or [np.nan]))
    unknown = np.full(len(found.grid), np.nan)
    return Finding(
        "; ".join(rows),
        f"a seed to the mean of the others {apart:.3f}",
        decide(all(holds), np.mean(fails) > 0.5),
        {
            "grid": found.grid,
            "methods": methods,
            "errors": {name: curve(found.errors["seeds"][0], name, ALL) for name in methods},
            "others": others,
            "between_seeds": np.mean([curve(pair.curves, "one", "rest") for pair in alone] or [unknown], axis=0),
        },
        "over the progress that both of a pair reach, nearer to supervised learning of all classes are "
        + ", ".join(shared)
        + " other tasks",
    )


def _nearer(mine: np.ndarray, other: np.ndarray, grid: np.ndarray) -> bool:
    """Return whether one curve (G,) is lower than another on average, over the progress where both are known."""
    both = np.where(np.isnan(other), np.nan, mine)
    return mean_where(both, both, grid) < mean_where(other, both, grid)


def _each_seed_and_the_rest(seeds: Seeds) -> list:
    """Return the Comparisons of each seed with the mean of the others; none of a single seed."""
    rests = [(x, [y for y in seeds if y is not x]) for x in seeds]
    return [compare({"one": [x], "rest": rest}) for x, rest in rests if rest]


def _away(grid: np.ndarray, end: tuple, curves: list[np.ndarray]) -> float:
    """Return how many points above the end of a curve its name is farthest from other curves: 0, 7 or -7."""
    right = (grid >= end[0]) & (grid <= end[0] + 0.1)
    there = np.concatenate([curve[right] for curve in curves])
    there = there[np.isfinite(there)]
    point = 0.5 / 150  # of distance, for a panel about 150 points high
    return max((0.0, 7.0, -7.0), key=lambda up: min(np.abs(there - end[1] - up * point).min(initial=1), 12 * point))


def draw(
    grid: np.ndarray,
    methods: dict[str, np.ndarray],
    errors: dict[str, np.ndarray],
    others: dict[str, np.ndarray],
    between_seeds: np.ndarray,
) -> Figure:
    """Return the figure: curves (G,) of the distance to supervised learning of all classes against progress.

    methods, others (supervised tasks): name -> curve.  errors: method -> standard errors (G,), NaN where not known.
    """
    figure = Figure((style.PAGE, 2.8), layout="constrained")
    ax = figure.add_subplot()
    for name, values in others.items():
        ax.plot(grid, values, **drawing.LIGHT)
        known = np.flatnonzero(np.isfinite(values))
        if len(known):
            end = grid[known[-1]], values[known[-1]]
            rest = [curve for other, curve in {**others, **methods}.items() if other != name]
            ax.annotate(
                name,
                end,
                (2, _away(grid, end, rest)),
                textcoords="offset points",
                fontsize=7,
                color="0.5",
                va="center",
                path_effects=[withStroke(linewidth=1.5, foreground="white")],
            )
    for (name, values), color in zip(methods.items(), style.PALETTE[1:]):
        ax.plot(grid, values, color=color, label=drawing.METHODS[name])
        known = np.isfinite(errors[name])
        ax.fill_between(
            grid[known],
            (values - errors[name])[known],
            (values + errors[name])[known],
            color=color,
            alpha=0.2,
            linewidth=0,
        )
    ax.plot(grid, between_seeds, ":", color="black", label="a seed and the others")
    ax.plot([], [], **drawing.LIGHT, label="supervised, other tasks")
    ax.set(xlim=(0, 1), ylim=(0, None), xlabel="progress", ylabel="distance to supervised, all")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure
