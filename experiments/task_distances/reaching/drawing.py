"""What the figures of tasks learned after each other share: names, heat maps from rows to columns."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from experiments.task_distances.reaching.measured import Task

DIGITS = 4.6  # points, of numbers in cells


def named(tasks: Sequence[Task]) -> list[str]:
    """Return short names of tasks for axes."""
    return [name_of(task.word) for task in tasks]


def name_of(word: str) -> str:
    """Return a short name of a word TASK:CONDITION."""
    return word.replace("all:", "").replace("_", " ")


def heat_map(
    figure: Figure,
    ax: Axes,
    values: np.ndarray,
    names: Sequence[str],
    label: str,
    digits: int = 0,
    signed: bool = False,
    sure: np.ndarray | None = None,
    scaled: np.ndarray | None = None,
) -> None:
    """Draw values (K, K) with a colour bar and numbers, from rows to columns.

    signed: 0 is white.  sure (K, K): numbers that are not are grey.  scaled (K, K): those that colours span, of signed
    values; all by default.
    """
    finite = values[np.isfinite(values) if scaled is None else scaled & np.isfinite(values)]
    largest = max(np.abs(finite).max(initial=0), 1e-12)
    norm = TwoSlopeNorm(0, -largest, largest) if signed else None
    image = ax.imshow(values, cmap="PuOr_r" if signed else "viridis", norm=norm)
    low, high = image.get_clim()
    for i, j in np.ndindex(values.shape):
        part = np.clip((values[i, j] - low) / (high - low or 1), 0, 1)
        light = abs(2 * part - 1) > 0.7 if signed else part < 0.6
        colour = "white" if light else "black"
        if sure is not None and not sure[i, j] and not light:
            colour = "0.6"
        ax.text(j, i, _number(values[i, j], digits), color=colour, ha="center", va="center", fontsize=DIGITS)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0, labelsize=6)
    ax.spines[:].set_visible(False)
    beyond = {"extend": "both"} if scaled is not None else {}
    bar = figure.colorbar(image, ax=ax, pad=0.02, fraction=0.05, **beyond)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6)
    bar.set_label(label, fontsize=7)


def _number(value, digits):
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def ordered(figure: Figure) -> None:
    """Say what rows and columns of all heat maps of a figure are."""
    figure.supylabel("learned first", fontsize=8)
    figure.supxlabel("learned then", fontsize=8)


def sure(values: np.ndarray) -> np.ndarray:
    """Return where the mean over seeds (S, ...) is farther from 0 than 2 SE; of one seed everywhere."""
    if len(values) < 2:
        return np.ones(values.shape[1:], dtype=bool)
    return np.abs(values.mean(axis=0)) > 2 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
