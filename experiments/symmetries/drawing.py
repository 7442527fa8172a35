"""What the figures of symmetries share: dots of pairs of networks with their means, curves, and legends."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.symmetries.measured import Measured
from learning.finding import mean_and_error

POINTS = -1, 0, 1, 3, 10, 30, 80  # ticks of penalties
FAR = 30  # points, up to which an axis of penalties is a linear one


def legend(figure: Figure, handles: Mapping[str, dict], columns: int) -> None:
    """Put a legend of {name: look} below the figure."""
    drawn = [Line2D([], [], **{"markersize": 4, **look}) for look in handles.values()]
    figure.legend(drawn, list(handles), loc="outside lower center", ncols=columns)


def dot(colour: str, marker: str = "o") -> dict:
    """Return the look of a dot in a legend."""
    return {"color": colour, "marker": marker, "linestyle": "", "markeredgewidth": 0}


def titles(found: Measured) -> list[str]:
    """Return the names of layers, and how many channels they have."""
    return [f"layer {k}, {channels} channels" for k, channels in enumerate(found.channels, 1)]


def spread_out(count: int, room: float) -> np.ndarray:
    """Return places (count,) about 0, side by side."""
    return np.linspace(-room, room, count) if count > 1 else np.zeros(count)


def rows_of_dots(ax: Axes, place: float, values: np.ndarray, colour: str) -> None:
    """Draw values as dots in a row, and their mean as a bar."""
    ax.plot(
        values,
        place + spread_out(len(values), 0.16),
        "o",
        markersize=2.6,
        color=colour,
        alpha=0.45,
        markeredgewidth=0,
        clip_on=False,
    )
    ax.plot([np.mean(values)], [place], "|", color=colour, markersize=9, markeredgewidth=1.6)


def groups(ax: Axes, kinds: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> None:
    """Draw values (n, L) of kinds, layer by layer: dots, and a bar for the mean."""
    width = 0.8 / max(len(kinds), 1)
    for number, (name, values) in enumerate(kinds.items()):
        for layer, x in enumerate(values.T):
            place = layer + (number - (len(kinds) - 1) / 2) * width
            ax.plot(
                place + spread_out(len(x), 0.2 * width),
                x,
                "o",
                markersize=2.6,
                color=colours[name],
                alpha=0.45,
                markeredgewidth=0,
            )
            mean = [x.mean()] * 2
            ax.plot([place - 0.36 * width, place + 0.36 * width], mean, color=colours[name], linewidth=1.6)
    count = max((x.shape[1] for x in kinds.values()), default=0)
    for border in np.arange(1, count) - 0.5:
        ax.axvline(border, color="0.87", linewidth=0.4)
    ax.set_xlim(-0.5, count - 0.5)
    ax.grid(axis="y")


def curve(ax: Axes, x: Sequence[float], values: np.ndarray, **look) -> None:
    """Draw the mean of values (S, X), and shade its standard error."""
    mean, error = values.mean(axis=0), np.array([mean_and_error(column)[1] for column in values.T])
    (line,) = ax.plot(x, mean, **look)
    ax.fill_between(x, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)


def penalties(ax: Axes, which: str, values: Sequence[np.ndarray]) -> None:
    """Scale an axis, "x" or "y", for penalties: linear up to 1 point, and logarithmic beyond, if some are large."""
    every = np.concatenate([np.ravel(x) for x in values] or [np.zeros(1)])
    every = every[np.isfinite(every)]
    low, high = (min(every.min(), 0), max(every.max(), 1)) if len(every) else (0, 1)
    axis = getattr(ax, f"{which}axis")
    if high < FAR:
        room = 0.06 * (high - low)
        getattr(ax, f"set_{which}lim")(low - room, high + room)
        return
    getattr(ax, f"set_{which}scale")("symlog", linthresh=1, linscale=0.6)
    axis.set_major_locator(FixedLocator(POINTS))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    getattr(ax, f"set_{which}lim")(min(low - 0.15, -0.3) if low > -1 else 1.3 * low, 1.35 * high)
