"""What the figures of tasks as vectors share: names, colours, heat maps, labels that do not meet."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from experiments.task_distances.vectors.measured import Measured
from experiments.task_distances.vectors.of_tasks import KINDS
from experiments.task_distances.vectors.suites import Word
from info_geometry.figures.panels import BLUE, GREEN, ORANGE, RED

GROUPS = {
    "footwear": {"color": RED, "marker": "s"},
    "tops": {"color": BLUE, "marker": "o"},
    "of several kinds": {"color": GREEN, "marker": "D"},
    "under a condition": {"color": ORANGE, "marker": "^"},
}
SHORT = {"permuted_labels": "permuted", "random_labels": "random"}
NEAR = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]  # places of a label
GAP = 5  # pixels


def name(word: Word) -> str:
    """Return a task in words: classes without commas, and its condition."""
    task = word.task.name.removeprefix("classes_").replace("-", " ")
    return (
        task if word.condition.kind == "plain" else f"{task}, {SHORT.get(word.condition.label, word.condition.label)}"
    )


def names(found: Measured) -> list[str]:
    """Return the names of all tasks."""
    return [name(word) for word in found.words]


def group(word: Word) -> str:
    """Return the group of GROUPS that a task is of."""
    if word.condition.kind != "plain":
        return "under a condition"
    kinds = KINDS.get(word.task.dataset, (None,))
    own = {kinds[k] for k in word.task.classes} if len(kinds) > 1 else set()
    return "footwear" if own == {"footwear"} else "tops" if own == {"top"} else "of several kinds"


def group_legend(found: Measured) -> dict[str, dict]:
    """Return {group: look} of the groups that there are."""
    there = {group(word) for word in found.words}
    return {key: {**look, "linestyle": ""} for key, look in GROUPS.items() if key in there}


def heat(ax: Axes, D: np.ndarray, order: Sequence[int], labels: Sequence[str], left: bool, bottom: bool, **look):
    """Draw a matrix in an order; return the image.  left, bottom: whether tasks are named there."""
    shown = np.where(np.eye(len(D), dtype=bool), np.nan, D)[np.ix_(order, order)]
    image = ax.imshow(shown, **{"cmap": "viridis", "vmin": 0, **look})
    told = [labels[k] for k in order]
    ax.set_xticks(range(len(D)), told if bottom else [], rotation=90, fontsize=5.5)
    ax.set_yticks(range(len(D)), told if left else [], fontsize=5.5)
    ax.tick_params(length=0, pad=1.5)
    ax.spines[:].set_visible(False)
    return image


def labelled(ax: Axes, points: np.ndarray, labels: Sequence[str], size: float = 6) -> None:
    """Write labels beside points (n, 2), each where it meets least of others and of points.

    Axes have their limits and their place: `figure.draw_without_rendering` before.
    """
    to_pixels, per_point = ax.transData.transform, ax.figure.dpi / 72
    P = to_pixels(points)
    frame, taken = ax.get_window_extent(), [(p[0] - 2, p[1] - 2, p[0] + 2, p[1] + 2) for p in P]
    height = size * per_point
    for k in np.argsort(np.square(P - P.mean(axis=0)).sum(axis=1)):
        width, best = 0.55 * size * per_point * len(labels[k]), None
        places = [(a * (GAP + width / 2), b * (GAP + height / 2)) for a, b in NEAR]
        places += [
            (a * (GAP + width / 2), b * (GAP + times * height)) for times in (1.5, 2.5, 3.5) for a, b in NEAR if b
        ]
        for rank, (dx, dy) in enumerate(places):
            x, y = P[k, 0] + dx, P[k, 1] + dy
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            cost = 2 * sum(_overlap(box, other) for other in taken) + 3 * _outside(box, frame) + 2 * rank
            if best is None or cost < best[0]:
                best = cost, box, (x, y), rank
        taken.append(best[1])
        back = ax.transData.inverted().transform
        x, y = back(best[2])
        halo = [withStroke(linewidth=1.2, foreground="white")]
        ax.text(x, y, labels[k], fontsize=size, ha="center", va="center", path_effects=halo, zorder=5)
        if best[3] >= 4:
            edge = back((np.clip(P[k, 0], best[1][0], best[1][2]), np.clip(P[k, 1], best[1][1], best[1][3])))
            ax.plot(*zip(points[k], edge), color="0.6", linewidth=0.5, zorder=2)


def _overlap(a, b):
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def _outside(box, frame):
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - _overlap(box, (frame.x0, frame.y0, frame.x1, frame.y1))
