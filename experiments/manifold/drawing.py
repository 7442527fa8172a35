"""What the figures of the manifold share: one look of a network in all of them, names of levels, means of networks."""

from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from info_geometry.figures import style
from info_geometry.figures.panels import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, SKY, mean

SHORT = {
    "small_cnn": "cnn",
    "plain_cnn": "cnn",
    "all_cnn_norm": "allcnn",
    "all_cnn": "allcnn",
    "conv_mixer": "convmixer",
}
USUAL = {"fc": (BLUE, "o"), "cnn": (RED, "s"), "allcnn": (GREEN, "D"), "convmixer": (PINK, "^"), "vit": (ORANGE, "v")}
OTHERS = (SKY, "p"), (BLACK, "h"), (GREY, "*")  # of networks that have no colour of their own, in turn
ORDER = (*USUAL, "linear", "sgd", "momentum", "nesterov", "adam", "none", "crop_flip")
SEED = {"linestyle": "", "markersize": 2.2, "alpha": 0.45, "markeredgewidth": 0}
NULL = {"color": "0.55", "linestyle": "", "marker": "|", "markersize": 9, "markeredgewidth": 1.2}
RULE = {"color": "0.6", "linewidth": 0.7, "linestyle": (0, (4, 2))}
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 1}


def names(levels: Iterable[str]) -> dict[str, str]:
    """Return {level: name in figures}; short names of two levels that would be the same are not taken."""
    levels = list(dict.fromkeys(map(str, levels)))
    kinds = {level: level.partition(" ") for level in levels}
    short = {level: SHORT.get(kind, kind) + blank + shape for level, (kind, blank, shape) in kinds.items()}
    return short if len(set(short.values())) == len(short) else {level: level for level in levels}


def ordered(levels: Iterable[str]) -> list[str]:
    """Return the different levels of a factor in the order in which figures show them: numbers by their size."""
    levels = dict.fromkeys(map(str, levels))
    short = names(levels)

    def place(level):
        kind = short[level].partition(" ")[0]
        number = float(level) if level.replace(".", "", 1).isdigit() else 0.0
        return ORDER.index(kind) if kind in ORDER else len(ORDER), number, level

    return sorted(levels, key=place)


def networks(levels: Iterable[str]) -> dict[str, dict]:
    """Return {network: colour and marker}, in order, the same for the same networks in all figures."""
    found, spare = {}, [*OTHERS, *USUAL.values()]
    levels = ordered(levels)
    short = names(levels)
    for level in levels:
        kind = short[level].partition(" ")[0]
        own = USUAL.get(kind)
        if own is None or own in found.values():
            own = next((look for look in spare if look not in found.values()), (GREY, "."))
        found[level] = own
    return {level: {"color": color, "marker": marker} for level, (color, marker) in found.items()}


def shades(levels: Iterable) -> dict:
    """Return {level: {"color"}}: from dark to light, none of them the colour of a network."""
    levels = list(dict.fromkeys(levels))
    drawn = matplotlib.colormaps["viridis"](np.linspace(0.02, 0.84, len(levels)) if len(levels) > 1 else [0.4])
    return {level: {"color": to_hex(color)} for level, color in zip(levels, drawn)}


def legend_of(looks: dict[str, dict]) -> dict[str, dict]:
    """Return the looks of levels by their names in figures."""
    return {style.literal(name): looks[level] for level, name in names(looks).items()}


def by_network(values: np.ndarray, networks: np.ndarray, which: str) -> np.ndarray:
    """Return the mean (S, ...) of values (S, K, ...) over the configurations (K,) of a network."""
    return mean(np.moveaxis(values[:, networks == which], 1, 0))


def dots(ax: Axes, values: np.ndarray, place: float, **look) -> None:
    """Draw values (S,) in a row: each as a small dot, their mean as a mark."""
    many = np.full(len(values), place)
    if len(values) > 1:
        ax.plot(values, many, **{**SEED, "marker": "o", "color": look.get("color", "black")})
    middle = mean(np.asarray(values, float))
    ax.plot([middle], [place], **{"linestyle": "", "marker": "o", "markersize": 5, "markeredgewidth": 0, **look})


def rows(ax: Axes, labels: list[str]) -> None:
    """Make the y axis one of rows, the first above."""
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.set_axisbelow(True)
