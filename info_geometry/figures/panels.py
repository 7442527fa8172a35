"""What figures of claims share: curves and strands of seeds with their mean, axes, legends, and letters of panels."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from info_geometry.figures import style

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK, GREY = style.PALETTE
SEED = {"linestyle": "", "marker": "o", "markersize": 2.4, "alpha": 0.45, "markeredgewidth": 0}
LINE = {"color": "0.5", "linewidth": 0.7}


def mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over seeds (S, ...) of what is known of each; nan where it is known of none."""
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def curve(ax: Axes, x: np.ndarray, values: np.ndarray, seeds: bool = True, **look) -> None:
    """Draw values (S, K) at x (K,) or (S, K): each seed as dots, the mean as a line."""
    x = np.broadcast_to(x, np.shape(values))
    if seeds and len(values) > 1:
        ax.plot(x.ravel(), values.ravel(), **{**SEED, "color": look.get("color")})
    ax.plot(mean(x), mean(values), **{"marker": "o", "markersize": 3.2, "markeredgewidth": 0, **look})


def strands(ax: Axes, x: np.ndarray, values: np.ndarray, **look) -> None:
    """Draw values (S, T) at x (T,) or (S, T): each seed as a thin line, the mean as a thick one."""
    x = np.broadcast_to(x, np.shape(values))
    if len(values) > 1:
        ax.plot(x.T, values.T, **{**look, "linewidth": 0.5, "alpha": 0.5})
    ax.plot(mean(x), mean(values), **look)


def legend(figure: Figure, handles: Mapping[str, dict], columns: int) -> None:
    """Put a legend of {name: look} below the figure."""
    drawn = [Line2D([], [], **{"markersize": 4, "markeredgewidth": 0, **look}) for look in handles.values()]
    figure.legend(drawn, list(handles), loc="outside lower center", ncols=columns)


def plain(ax: Axes, which: str) -> None:
    """Write numbers of a logarithmic axis, "x" or "y", as they are, more of them the less it spans."""
    axis = getattr(ax, f"{which}axis")
    low, high = sorted(getattr(ax, f"get_{which}lim")())
    if low <= 0:  # nothing is drawn
        getattr(ax, f"set_{which}scale")("linear")
        return
    if high > 1e4 * low:
        axis.set_minor_locator(NullLocator())
        return
    ends = getattr(ax, f"get_{which}lim")()
    steps = (1, 2, 5) if high < 30 * low else (1, 3) if high < 300 * low else (1,)
    at_steps = FixedLocator([step * 10.0**k for k in range(-12, 9) for step in steps])
    axis.set_major_locator(MaxNLocator(4) if high < 4 * low else at_steps)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_locator(NullLocator())
    getattr(ax, f"set_{which}lim")(*ends)


def ticks(ax: Axes, values: Iterable[float], which: str = "x") -> None:
    """Put ticks of a logarithmic axis at these values, and no others."""
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(FixedLocator(sorted(values)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def lettered(axes: Iterable[Axes], titles: Iterable[str]) -> None:
    """Give panels letters and titles."""
    for letter, ax, title in zip("abcdefgh", axes, titles):
        ax.set_title(f"({letter}) {title}", loc="left")


def by_epoch(ax: Axes, epochs: np.ndarray) -> None:
    """Make the x axis one of epochs (T,), logarithmic but for the first ones."""
    later = epochs[epochs > 0]
    if len(later):
        ax.set_xscale("symlog", linthresh=later.min(), linscale=0.4)
        decades = [10.0**k for k in range(-6, 7) if later.min() < 10.0**k <= 1.01 * later.max()]
        ax.xaxis.set_major_locator(FixedLocator([0, *decades]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlabel("epoch")
