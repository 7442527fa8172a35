"""What the figures of information in the weights share: curves of seeds with their mean, looks, axes, and legends."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from scipy.stats import spearmanr

from experiments.weight_information.measured import Measured
from info_geometry.figures import style

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK, GREY = style.PALETTE
BETWEEN = GREEN, ORANGE, PINK, SKY  # label noise that is neither the least nor the most
MARKERS = "v", "o", "s", "D", "^", "P", "X"  # of numbers of images
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


def by_noise(found: Measured) -> dict[float, dict]:
    """Return {label noise: look}: the least blue, the most red, others between."""
    every = sorted({*found.by_noise, *(noise for noise, _ in (*found.by_samples, *found.ordinary))})
    colours = [BLUE, *(BETWEEN[k % len(BETWEEN)] for k in range(len(every) - 2)), RED]
    return {noise: {"color": colour} for noise, colour in zip(every, colours)}


def by_samples(found: Measured) -> dict[int, dict]:
    """Return {N: look}: markers, the larger the more images."""
    every = sorted({N for _, N in (*found.conditions, *found.ordinary)})
    sizes = np.linspace(3.6, 5.6, len(every))
    return {N: {"marker": marker, "markersize": size} for N, marker, size in zip(every, MARKERS, sizes)}


def noise_name(noise: float) -> str:
    """Return a label noise in words."""
    return {0: "right labels", 1: "random labels"}.get(noise, f"{100 * noise:g} % random")


def samples_name(samples: int) -> str:
    """Return a number of images in words."""
    return f"N = {samples:,}"


def noise_legend(found: Measured, shown: Iterable[float]) -> dict[str, dict]:
    """Return {name: look} of label noise."""
    return {noise_name(noise): {**look, "marker": "o"} for noise, look in by_noise(found).items() if noise in shown}


def samples_legend(found: Measured, shown: Iterable[int]) -> dict[str, dict]:
    """Return {name: look} of numbers of images."""
    looks = by_samples(found)
    return {samples_name(N): {**looks[N], "color": "0.4", "linestyle": ""} for N in sorted(set(shown))}


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


def rank(x: np.ndarray, y: np.ndarray) -> str:
    """Return Spearman's rank correlation in words, of pairs that are both known."""
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 3 or np.ptp(x[fine]) == 0 or np.ptp(y[fine]) == 0:
        return "too few to order"
    return f"Spearman {spearmanr(x[fine], y[fine]).statistic:.2f}".replace("-", "−")


def lettered(axes: Iterable[Axes], titles: Iterable[str]) -> None:
    """Give panels letters and titles."""
    for letter, ax, title in zip("abcdefgh", axes, titles):
        ax.set_title(f"({letter}) {title}", loc="left")
