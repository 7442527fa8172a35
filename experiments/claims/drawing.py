"""What the figures of the claims share: names and colours of methods, panels of dots, and where the file goes.

Where seeds are shown as dots, the bar is their mean and its standard error.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from info_geometry.figures import style
from learning.finding import mean_and_error

METHODS = {
    "all": "supervised, all",
    "randomlab": "random labels",
    "all_2way": "2-way episodes",
    "all_5way": "5-way episodes",
    "all_simclr": "SimCLR",
    "all_barlow": "Barlow Twins",
    "all_fixmatch": "FixMatch",
}
LIGHT = {"color": "0.75", "linewidth": 0.8}


@style.STYLE
def write(folder: Path, number: int, claim, shown: dict, verdict: str) -> list[Path]:
    """Write the figure `claim_<number>` of a claim, a module with `draw`, with its verdict above; return the paths."""
    figure = claim.draw(**shown)
    figure.suptitle(f"Claim {number}: {verdict}", fontsize=8)
    return style.save(figure, folder, f"claim_{number}")


def legend(figure: Figure, styles: dict[str, dict], columns: int):
    """Put a legend of {name: look} below the figure."""
    handles = [Line2D([], [], **look, markersize=4) for look in styles.values()]
    figure.legend(handles, list(styles), loc="outside lower center", ncols=columns)


def two_panels(rows: int) -> tuple[Figure, np.ndarray]:
    """Return a figure and its two axes side by side, high enough for this many rows of dots."""
    figure = Figure((style.PAGE, 0.95 + 0.2 * rows), layout="constrained")
    return figure, figure.subplots(1, 2)


def dots(ax: Axes, rows: dict[str, Sequence[float]], label: str, *, errors: bool = True):
    """Draw a row of dots for each of {name: values of its seeds}; errors: they are independent, and have one."""
    for place, values in enumerate(rows.values()):
        ax.plot(values, np.full(len(values), place), "o", color=style.PALETTE[0], alpha=0.35, markeredgewidth=0)
        mean, error = mean_and_error(values)
        bar = {"xerr": error, "capsize": 3} if errors else {}
        ax.errorbar(mean, place, fmt="|", color=style.PALETTE[0], markersize=9, **bar)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, None), xlabel=label)
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
