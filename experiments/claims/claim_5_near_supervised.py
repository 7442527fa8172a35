"""Claim 5: contrastive and semi-supervised learning follow trajectories near those of supervised learning.

Measure: the mean distance to supervised learning of all classes at equal progress, with fitted temperatures.
Null: the same of each named task, over the progress that both it and the method share with supervised learning.
Holds, a verdict for each method: nearer than most of the named tasks.  Fails: farther than all of them.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from experiments.claims import drawing, finding
from experiments.claims.finding import compare, curve, mean_where
from experiments.claims.runs import ALL, NAMED, NEAR, Runs, Seeds
from info_geometry import comparison
from info_geometry.figures import style
from learning.finding import Finding, decide

CLAIM = "Contrastive and semi-supervised learning follow trajectories near those of supervised learning"
WHERE = "v4, abstract, 5"

FITTED, ONE = "fitted temperature", "temperature 1"


def measure(runs: Runs) -> Finding:
    """Return what is found of the claim, of the contrastive and semi-supervised runs beside the supervised ones."""
    names = (ALL, *NAMED, *NEAR)
    plain = {**runs.supervised, **runs.near}
    found = {how: compare({k: of[k] for k in names}, errors=True) for how, of in ((FITTED, runs.fitted), (ONE, plain))}
    nearer = {how: {name: nearer_than(each, name) for name in NEAR} for how, each in found.items()}
    verdicts = {drawing.METHODS[name]: decide(*rule(tasks)) for name, tasks in nearer[FITTED].items()}
    alone = _each_seed_and_the_rest(runs.fitted[ALL])
    apart = float(np.mean([pair.means()[0, 1] for pair in alone] or [np.nan]))
    unknown = np.full(len(found[FITTED].grid), np.nan)
    rows = {how: "; ".join(told(each, name, nearer[how][name]) for name in NEAR) for how, each in found.items()}
    return Finding(
        rows[FITTED],
        f"a seed to the mean of the others {apart:.3f}",
        finding.of_methods(verdicts),
        {
            "found": found,
            "between_seeds": np.mean([curve(pair.curves, "one", "rest") for pair in alone] or [unknown], axis=0),
        },
        f"at temperature 1, {rows[ONE]}",
    )


def nearer_than(found: comparison.Comparison, name: str) -> dict[str, bool]:
    """Return {named task: whether a method is nearer to `all` than it}, of those that share progress with both."""
    mine, answers = curve(found.curves, name, ALL), {}
    for task in NAMED:
        other = curve(found.curves, task, ALL)
        values = mean_where(mine, other, found.grid), mean_where(other, mine, found.grid)
        if np.isfinite(values).all():
            answers[task] = values[0] < values[1]
    return answers


def rule(nearer: dict[str, bool]) -> tuple[bool, bool]:
    """Return whether the claim holds, and whether it fails, for a method that is nearer than these tasks."""
    return sum(nearer.values()) > len(NAMED) / 2, bool(nearer) and not any(nearer.values())


def told(found: comparison.Comparison, name: str, nearer: dict[str, bool]) -> str:
    """Return the distance of a method with its error, and how many tasks are farther, as a text."""
    i, j = found.tasks.index(name), found.tasks.index(ALL)
    error = found.mean_errors()["seeds"][1][i, j]
    return (
        f"{drawing.METHODS[name]}: {found.means()[i, j]:.3f} +- {error:.3f}, nearer than {sum(nearer.values())} of "
        f"{len(nearer)} tasks"
    )


def _each_seed_and_the_rest(seeds: Seeds) -> list:
    """Return the Comparisons of each seed with the mean of the others; none of a single seed."""
    rests = [(x, [y for y in seeds if y is not x]) for x in seeds]
    return [compare({"one": [x], "rest": rest}) for x, rest in rests if rest]


def _away(grid: np.ndarray, end: tuple, curves: list[np.ndarray], taken: list[tuple], highest: float) -> float:
    """Return how many points above the end of a curve its name is farthest from curves and names: 0, 7 or -7.

    taken: where names stand.  highest: distance in the panel.
    """
    right = (grid >= end[0]) & (grid <= end[0] + 0.1)
    there, names = np.concatenate([curve[right] for curve in curves]), [y for x, y in taken if abs(x - end[0]) < 0.2]
    point = highest / 130  # of distance: a panel is about as many points high

    def room(up):
        to_curves, to_names = (np.abs(np.array(y) - end[1] - up * point) for y in (there[np.isfinite(there)], names))
        return min(to_curves.min(initial=1), to_names.min(initial=1) / 2, 7 * point)  # names are high

    return max((0.0, 7.0, -7.0), key=room)


def draw(found: dict[str, comparison.Comparison], between_seeds: np.ndarray) -> Figure:
    """Return the figure: curves of the distance to supervised learning of all classes against progress, a panel each.

    found: how predictions were imprinted -> Comparison.  between_seeds (G,): of the first.
    """
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    panels = figure.subplots(1, len(found))
    for ax, (how, each) in zip(panels, found.items()):
        grid, curves = each.grid, {name: curve(each.curves, name, ALL) for name in (*NAMED, *NEAR)}
        taken, highest = [], np.nanmax(list(curves.values()))
        for name in NAMED:
            ax.plot(grid, curves[name], **drawing.LIGHT)
            known = np.flatnonzero(np.isfinite(curves[name]))
            if len(known):
                end = grid[known[-1]], curves[name][known[-1]]
                rest = [values for other, values in curves.items() if other != name]
                up = _away(grid, end, rest, taken, highest)
                taken.append((end[0], end[1] + up * highest / 130))
                ax.annotate(
                    name,
                    end,
                    (2, up),
                    textcoords="offset points",
                    fontsize=7,
                    color="0.5",
                    va="center",
                    path_effects=[withStroke(linewidth=1.5, foreground="white")],
                )
        for name, color in zip(NEAR, style.PALETTE[1:]):
            ax.plot(grid, curves[name], color=color, label=drawing.METHODS[name])
            error = curve(each.errors["seeds"][0], name, ALL)
            known = np.isfinite(error)
            low, high = ((curves[name] + sign * error)[known] for sign in (-1, 1))
            ax.fill_between(grid[known], low, high, color=color, alpha=0.2, linewidth=0)
        ax.set(xlim=(0, 1), ylim=(0, None), xlabel="progress")
        ax.set_title(how, pad=3)
    panels[0].plot(grid, between_seeds, ":", color="black", label="a seed and the others")
    panels[0].plot([], [], **drawing.LIGHT, label="supervised, other tasks")
    panels[0].set_ylabel("distance to supervised, all")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure
