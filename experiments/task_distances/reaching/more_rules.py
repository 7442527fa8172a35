"""The rules of what is near and cannot be reached, and of paths; see `rules`.

The three tasks are all classes as they are, blurred, and upside down: `reachable`.
"""

import numpy as np

from experiments.task_distances.reaching.agreement import correlations
from experiments.task_distances.reaching.measured import Measured, Reached
from learning.finding import Finding, above, below, decide, said

LOST = 0.01  # of accuracy: what is lost for good


def reachable(found: Measured) -> tuple[Reached, int, int, int]:
    """Return networks that learn tasks after each other, and the numbers of all, blurred, and upside down."""
    reached = found.deep or found.reached
    blurred = next(k for k, task in enumerate(reached.tasks) if task.condition.startswith("blur"))
    return reached, reached.at("all"), blurred, reached.at("all:flip")


def unreachable(found: Measured) -> Finding:
    """Two tasks are nearly the same, and one is not reached from the other: sharp images from blurred ones.

    Accuracy of `all` after itself less that after blurred images, as many epochs each.  Holds if it is above LOST, and
    blurred images are nearer to sharp ones than those upside down are, by d_B of networks from scratch; fails if it is
    below LOST, or they are farther.
    """
    reached, a, blurred, flip = reachable(found)
    lost = reached.after[:, a, a] - reached.after[:, blurred, a]
    other = reached.after[:, a, a] - reached.after[:, flip, a]
    nearer = reached.static[:, flip, a] - reached.static[:, blurred, a]
    return Finding(
        f"lost {_points(lost)} points; d_B {said(reached.static[:, blurred, a], 3, False)}",
        f"upside down: lost {_points(other)} points; d_B {said(reached.static[:, flip, a], 3, False)}",
        decide(above(lost, LOST) and above(nearer), below(lost, LOST) or below(nearer)),
        {},
        f"R1, the gap to as many epochs of sharp images: {_points(reached.gap[:, blurred, a])} points",
    )


def near_and_far(found: Measured) -> Finding:
    """... while one that is farther is reached: the order of static distances is not that of R1.

    Holds if blurred images are nearer to sharp ones than those upside down are, and R1 of blurred images is larger;
    fails if either is the other way round.
    """
    reached, a, blurred, flip = reachable(found)
    nearer = reached.static[:, flip, a] - reached.static[:, blurred, a]
    worse = reached.gap[:, blurred, a] - reached.gap[:, flip, a]
    return Finding(
        f"R1 blurred less R1 upside down {_points(worse)} points; d_B the other way {said(nearer, 3)}",
        "one order: both of one sign",
        decide(above(nearer) and above(worse), below(nearer) or below(worse)),
        {},
        _of_others(found),
    )


def _of_others(found):
    """Return what the convolutional networks say of the same, where others were looked at."""
    if found.deep is None:
        return ""
    reached = found.reached
    a, flip = reached.at("all"), reached.at("all:flip")
    blurred = next(k for k, task in enumerate(reached.tasks) if task.condition.startswith("blur"))
    gaps = f"{_points(reached.gap[:, blurred, a])} and {_points(reached.gap[:, flip, a])} points"
    near = f"{said(reached.static[:, blurred, a], 3, False)} and {said(reached.static[:, flip, a], 3, False)}"
    return f"convolutional networks: R1 blurred and upside down {gaps}, d_B {near}"


def direction(found: Measured) -> Finding:
    """The direction matters: sharp images are harder to reach from blurred ones than blurred ones from sharp ones.

    R1 one way less R1 the other way.  Holds if it is above 0, fails if it is below.
    """
    reached, a, blurred, flip = reachable(found)
    one = reached.gap[:, blurred, a] - reached.gap[:, a, blurred]
    other = reached.gap[:, flip, a] - reached.gap[:, a, flip]
    return Finding(
        f"{_points(one)} points",
        f"no direction: 0; upside down {_points(other)}",
        decide(above(one), below(one)),
        {},
    )


def _points(values):
    """Return accuracies in points."""
    return said(100 * np.asarray(values), 1)


def above_minimum(found: Measured) -> Finding:
    """No path does with less than the shortest one: A >= Len^2 / T >= between^2 / T, where A is the action.

    Of all pairs of tasks.  Holds if it is so, and fails otherwise.
    """
    reached = found.reached
    T = reached.epochs[-1] - reached.epochs[0]
    speed, detour = reached.action * T / reached.length**2, reached.detour
    least = min(speed.min(), detour.min())
    ratios = f"A T / Len^2 {said(_mean(speed), 1, False)}, Len / shortest {said(_mean(detour), 1, False)}"
    return Finding(
        f"{ratios}; least {least:.2f}",
        "both at least 1",
        decide(bool(least >= 1), bool(least < 1)),
        {},
    )


def _mean(values):
    """Return means (S,) over pairs of different tasks of values (S, K, K)."""
    return values[:, ~np.eye(values.shape[1], dtype=bool)].mean(axis=1)


def dynamic(found: Measured) -> Finding:
    """The way that is taken tells the time that it takes to learn, beyond what the distance of the ends does.

    Over directed pairs of tasks, rank correlation with R2 of the action less that of d_B between networks from scratch.
    Holds if it is above 0, fails if it is below.
    """
    reached = found.reached
    static, action = correlations(reached.static, reached.time), correlations(reached.action, reached.time)
    least = correlations(reached.length, reached.time)
    gap = correlations(reached.action, reached.gap), correlations(reached.static, reached.gap)
    return Finding(
        f"action {said(action)}, static {said(static)}; difference {said(action - static)}",
        "no more: 0",
        decide(above(action - static), below(action - static)),
        {},
        f"Len^2 / T, the same path at constant speed, {said(least)}; with R1 in place of R2: action {said(gap[0])}, "
        f"static {said(gap[1])}",
    )
