"""The figures of subspaces: arrays in, files out.  Lines are means over seeds, what is shaded a standard error."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.tri
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.subspaces.coefficients import RANDOM
from experiments.subspaces.kinds import BETWEEN, KINDS, LINES, MIDDLE, SINGLE, STOPPED, SWA, TWO
from experiments.subspaces.measured import Measured, middles
from experiments.subspaces.picture import IGNORANCE, TRUTH, Picture
from experiments.subspaces.results import CLEAN, NOISY, REGIMES, UNDER, Scores
from experiments.subspaces.series import LEVELS
from info_geometry.figures import style
from learning.finding import mean_and_error

LABELS = {"accuracy": "accuracy", "nll": "NLL", "ece": "ECE"}
COLOURS = dict(zip(LINES, style.PALETTE))


def _curve(ax: Axes, x: Sequence[float], values: np.ndarray, **look):
    """Draw the mean of values (S, X) and shade its standard error."""
    mean, error = values.mean(axis=0), [mean_and_error(column)[1] for column in values.T]
    (line,) = ax.plot(x, mean, **look)
    ax.fill_between(x, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)


def _band(ax: Axes, values: np.ndarray, **look):
    """Draw the mean of values (S,) and its standard error as a band across the axes."""
    mean, error = mean_and_error(values)
    ax.axhspan(mean - error, mean + error, alpha=0.25, linewidth=0, color=look["color"])
    ax.axhline(mean, linewidth=0.9, **look)


def _legend(figure: Figure, handles: dict[str, dict], columns: int):
    """Put a legend of {name: look} below the figure."""
    drawn = [Line2D([], [], **{"markersize": 4, **look}) for look in handles.values()]
    figure.legend(drawn, list(handles), loc="outside lower center", ncols=columns)


@style.STYLE
def path(folder: Path, found: Measured, regime: str) -> list[Path]:
    """Draw `path_<regime>`: accuracy, NLL and ECE along lines and curves, their ensembles, and baselines as bands."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    bands = {SINGLE: ("0.35", "-"), TWO: ("0.35", ":")}
    for ax, key in zip(figure.subplots(1, 3), LABELS):
        for kind, colour in COLOURS.items():
            x = found.lines[kind, regime]
            _curve(ax, x.t, x.scores[key], color=colour)
            half = x.ensembles[key], x.at(key, 0.5)[:, None]  # that of 0.5 with itself is the middle
            mirrored = np.concatenate([*half, half[0][:, ::-1]], axis=1)
            _curve(ax, [*x.pairs, 0.5, *(1 - x.pairs[::-1])], mirrored, color=colour, linestyle="--", linewidth=0.9)
        for name, (colour, line) in bands.items():
            scores = found.under[name] if regime == UNDER else found.kinds[regime][name]
            _band(ax, scores[key], color=colour, linestyle=line)
        if regime in found.between and key == "accuracy":
            between = found.between[regime]
            low = 100 * between.scores[key].min(axis=1).mean()
            ax.annotate(
                f"between 2 networks: down to {low:.0f} %",
                (0.5, 0.02),
                xycoords="axes fraction",
                ha="center",
                fontsize=6.5,
            )
        ax.set(xlabel="position", ylabel=LABELS[key], xlim=(0, 1))
        ax.grid(axis="y")
    handles = {kind: {"color": colour} for kind, colour in COLOURS.items()}
    handles["ensemble of a and 1 - a"] = {"color": "0.2", "linestyle": "--", "linewidth": 0.9}
    handles |= {name: {"color": colour, "linestyle": line} for name, (colour, line) in bands.items()}
    _legend(figure, handles, 6)
    figure.suptitle(f"Along lines and curves: {REGIMES[regime]}", fontsize=8)
    return style.save(figure, folder, f"path_{regime}")


@style.STYLE
def simplexes(folder: Path, found: Measured, c: np.ndarray, triangle: Scores) -> list[Path]:
    """Draw `simplex`: accuracy of middles by the number of vertices, and the triangle of three vertices as a map."""
    figure = Figure((style.PAGE, 2.7), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.25))
    for ax, regime in zip(axes, (CLEAN, NOISY, UNDER)):
        by_vertices = middles(found, regime)
        single = found.under[SINGLE] if regime == UNDER else found.kinds[regime][SINGLE]
        _band(ax, single["accuracy"], color="0.35", linestyle="-")
        _curve(ax, list(by_vertices), np.array(list(by_vertices.values())).T, color=style.PALETTE[0], marker="o")
        ax.set(xlabel="vertices", title=REGIMES[regime], xticks=range(2, 6), xlim=(1.8, 5.2))
        ax.grid(axis="y")
    axes[0].set_ylabel("accuracy of the middle")
    ax, corners = axes[3], np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
    grid = np.arange(len(c)) < len(c) - RANDOM
    x, y = (c[grid] @ corners).T
    image = ax.tricontourf(matplotlib.tri.Triangulation(x, y), triangle["nll"][grid], levels=12, cmap="viridis_r")
    ax.plot(x, y, ".", color="white", markersize=2.5)
    ax.set(aspect="equal", title="NLL, 3 vertices")
    ax.set_axis_off()
    figure.colorbar(image, ax=ax, shrink=0.75).outline.set_visible(False)
    _legend(figure, {"middle": {"color": style.PALETTE[0], "marker": "o"}, SINGLE: {"color": "0.35"}}, 2)
    return style.save(figure, folder, "simplex")


@style.STYLE
def noise(folder: Path, levels: dict[str, dict[str, np.ndarray]], found: Measured) -> list[Path]:
    """Draw `noise`: accuracy by the share of wrong labels, on evaluation images and on the labels that were learned."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    looks = {name: {"color": colour, "marker": "o"} for name, colour in zip(levels, style.PALETTE)}
    for name, x in levels.items():
        _curve(left, LEVELS, x["accuracy"].T, **looks[name])
        if "learned" in x:
            _curve(middle, LEVELS, x["learned"].T, **looks[name])
    left.set(ylabel="accuracy, evaluation")
    middle.set(ylabel="accuracy on the labels learned")
    for ax in (left, middle):
        ax.set(xlabel="share of wrong labels", xticks=LEVELS)
        ax.grid(axis="y")
    others = SINGLE, STOPPED, "label smoothing", "dropout", SWA, TWO, "snapshots", MIDDLE, "simplex of 3, barycentre"
    for place, name in enumerate(others):
        values = found.kinds[NOISY][name]["accuracy"]
        right.plot(values, np.full(len(values), place), "o", color=style.PALETTE[0], alpha=0.35, markeredgewidth=0)
        right.plot([values.mean()], [place], "|", color=style.PALETTE[0], markersize=9)
    right.set_yticks(range(len(others)), others)
    right.set(ylim=(len(others) - 0.5, -0.5), xlabel="accuracy at 0.4")
    right.grid(axis="x")
    _legend(figure, looks, 4)
    return style.save(figure, folder, "noise")


@style.STYLE
def dynamics(folder: Path, runs: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]) -> list[Path]:
    """Draw `dynamics`: cos^2 and L2 of vertices, and d_B of ends, over training."""
    figure = Figure((style.PAGE, 2.7), layout="constrained")
    names = {"squared_cosine": r"$\cos^2$ of vertices", "l2": "L2 of vertices", "d_B": r"$d_B$ of the ends"}
    looks = {name: {"color": colour} for name, colour in zip(runs, style.PALETTE)}
    for ax, (key, label) in zip(figure.subplots(1, 3), names.items()):
        for name, x in runs.items():
            epochs, values = x[key]
            _curve(ax, epochs, values, **looks[name])
        ax.set(xlabel="epoch", ylabel=label)
        ax.set_xscale("symlog", linthresh=0.1, linscale=0.3)
        ax.grid(axis="y")
        if key == "squared_cosine":
            ax.set_yscale("log")
    _legend(figure, looks, 5)
    return style.save(figure, folder, "dynamics")


@style.STYLE
def recalibration(folder: Path, found: Measured) -> list[Path]:
    """Draw `recalibration`: accuracy and NLL along lines whose norm layers were recalibrated, or not."""
    figure = Figure((style.PAGE, 2.5), layout="constrained")
    looks = {"recalibrated": {"color": style.PALETTE[0]}, "as trained": {"color": style.PALETTE[1], "linestyle": "--"}}
    axes = figure.subplots(1, 4)
    for regime, pair in zip(found.raw, (axes[:2], axes[2:])):
        for ax, key in zip(pair, ("accuracy", "nll")):
            for look, x in zip(looks.values(), (found.lines["line", regime], found.raw[regime])):
                _curve(ax, x.t, x.scores[key], **look)
            ax.set(xlabel="position", ylabel=LABELS[key], title=REGIMES[regime], xlim=(0, 1))
            ax.grid(axis="y")
    _legend(figure, looks, 2)
    return style.save(figure, folder, "recalibration")


@style.STYLE
def corruption(folder: Path, found: dict[str, dict[str, np.ndarray]]) -> list[Path]:
    """Draw `corruption`: accuracy by the severity of noise, blur and less contrast."""
    figure = Figure((style.PAGE, 2.6), layout="constrained")
    looks = {name: {"color": colour, "marker": "o"} for name, colour in zip(next(iter(found.values())), style.PALETTE)}
    for ax, (how, kinds) in zip(figure.subplots(1, 3, sharey=True), found.items()):
        for name, values in kinds.items():
            _curve(ax, range(len(values)), values.T, **looks[name])
        ax.set(xlabel="severity", title=how, xticks=range(6))
        ax.grid(axis="y")
        ax.label_outer()
    figure.axes[0].set_ylabel("accuracy")
    _legend(figure, looks, 4)
    return style.save(figure, folder, "corruption")


@style.STYLE
def all_kinds(folder: Path, found: Measured) -> list[Path]:
    """Draw `kinds`: accuracy, NLL and ECE of every kind, with clean and with wrong labels."""
    figure = Figure((style.PAGE, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True)
    for row, level in zip(axes, (CLEAN, NOISY)):
        for ax, key in zip(row, LABELS):
            for place, (name, kind) in enumerate(KINDS.items()):
                values = found.kinds[level][name][key]
                colour = style.PALETTE[0 if kind.networks == 1 else 1]
                ax.plot(
                    values, np.full(len(values), place), "o", markersize=3, color=colour, alpha=0.35, markeredgewidth=0
                )
                ax.plot([values.mean()], [place], "|", color=colour, markersize=8)
            ax.axvline(found.kinds[level][SINGLE][key].mean(), color="0.5", linewidth=0.7, linestyle=":")
            ax.set(ylim=(len(KINDS) - 0.5, -0.5), xlabel=f"{LABELS[key]}, {REGIMES[level]}")
            ax.grid(axis="x")
            rest = np.concatenate([found.kinds[level][name][key] for name in KINDS if name != BETWEEN])
            ax.set_xlim(rest.min() - 0.05 * np.ptp(rest), rest.max() + 0.05 * np.ptp(rest))
        row[0].set_yticks(range(len(KINDS)), list(KINDS), fontsize=6)
    figure.suptitle(f"{BETWEEN} is beyond the axes", fontsize=7)
    looks = {"one network": {"color": style.PALETTE[0]}, "an ensemble": {"color": style.PALETTE[1]}}
    _legend(figure, {name: {**look, "marker": "o", "linestyle": ""} for name, look in looks.items()}, 2)
    return style.save(figure, folder, "kinds")


@style.STYLE
def picture(folder: Path, found: Picture) -> list[Path]:
    """Draw `picture`: two pairs of axes of the embedding; the surface of a line in colours of its epochs."""
    figure = Figure((style.PAGE, 3.4), layout="constrained")
    points, index = found.embedding.coordinates, found.embedding.index
    shades = matplotlib.colormaps["viridis"](np.linspace(0.15, 0.95, len(found.surface)))
    looks = {
        SINGLE: {"color": "0.55", "linewidth": 0.9},
        MIDDLE: {"color": style.PALETTE[1], "linewidth": 0.9},
        "SWA": {"color": style.PALETTE[3], "marker": "s", "linestyle": ""},
        "SWAG draws": {"color": style.PALETTE[3], "marker": ".", "linestyle": ""},
        f"ensemble: {TWO}": {"color": "black", "marker": "^", "linestyle": ""},
        "ensemble: line, 0.1 and 0.9": {"color": style.PALETTE[4], "marker": "v", "linestyle": ""},
        IGNORANCE: {"color": "black", "marker": "D", "linestyle": ""},
        TRUTH: {"color": "black", "marker": "*", "linestyle": "", "markersize": 8},
    }
    late = [run for run in dict.fromkeys(index["run"]) if run not in (SINGLE, MIDDLE, IGNORANCE, TRUTH)]
    late = [run for run in late if run not in found.surface[:-3]]
    near = np.isin(index["run"], late)
    for ax, axes, zoomed in zip(figure.subplots(1, 3), ((0, 1), (0, 2), (0, 1)), (False, False, True)):
        for run, look in {
            **{r: {"color": s, "linewidth": 1.1} for r, s in zip(found.surface, shades)},
            **looks,
        }.items():
            for seed in np.unique(index["seed"]):
                own = found.where(run, seed)
                ax.plot(*points[own][:, axes].T, **{"markersize": 4, "markeredgewidth": 0, **look})
        imaginary = found.embedding.imaginary
        labels = [f"InPC {k + 1}" + (" (imaginary)" if imaginary[k] else "") for k in axes]
        ax.set(xlabel=labels[0], ylabel=labels[1])
        if zoomed:
            low, high = points[near][:, axes].min(axis=0), points[near][:, axes].max(axis=0)
            room = 0.1 * (high - low)
            ax.set(
                xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]), title="the end"
            )
        ax.locator_params(nbins=4)
    surface = {f"{run}": {"color": s} for run, s in zip(found.surface, shades)}
    _legend(figure, {**looks, **surface}, 4)
    figure.suptitle(style.stress_text(found.embedding.explained_stress(), 3), fontsize=7.5)
    return style.save(figure, folder, "picture")
