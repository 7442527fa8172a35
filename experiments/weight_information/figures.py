"""The figures of variational networks, by beta.  Dots are seeds, lines means of seeds."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.weight_information import training_figures as more
from experiments.weight_information.drawing import (
    by_noise,
    by_samples,
    noise_legend,
    rank,
    samples_legend,
    samples_name,
)
from experiments.weight_information.measured import CLASSES, MATCHED, MEASURES, Measured
from experiments.weight_information.rules import IGNORANT, strict
from info_geometry.figures import style
from info_geometry.figures.panels import BLACK, LINE, SEED, curve, legend, lettered, mean, plain, ticks

HALF = (1 + 1 / CLASSES) / 2  # the accuracy at which beta_50 is
LINEAR = 0.1  # nats, up to which an axis of KL / N is a linear one
UNITS = {"information": "log-determinant, nats", "trace_of_all": "N tr F", "fineness": "$\\log_2(1 / \\sigma)$, bits"}


@style.STYLE
def structure(folder: Path, found: Measured) -> list[Path]:
    """Draw `structure`: cross entropy by what is known; what it takes to reach one, by label noise and N."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    looks, marks = by_noise(found), by_samples(found)
    for noise, x in found.by_noise.items():
        curve(left, x["kl"] / x.samples, x["cross_entropy_of_draws"], **looks[noise])
    left.axhline(IGNORANT, linestyle="--", **LINE)
    left.axhline(MATCHED, linestyle=":", **LINE)
    left.text(0.98, IGNORANT + 0.03, "log C", color="0.4", fontsize=7, ha="right", transform=left.get_yaxis_transform())
    left.set_xscale("symlog", linthresh=LINEAR, linscale=0.5)
    left.set_xlim(-0.01, 1.3 * _largest([x["kl"] / x.samples for x in found.by_noise.values()], 1))
    left.xaxis.set_major_locator(FixedLocator([0, 0.1, 1, 10, 100, 1000]))
    left.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    left.set(xlabel="KL / N, nats per image", ylabel="cross entropy of draws, nats", ylim=(0, None))
    left.grid()
    for samples in sorted({N for _, N in found.conditions}):
        own = {noise: x for (noise, N), x in sorted(found.conditions.items()) if samples == N}
        needed = np.array([x.at("kl") / samples for x in own.values()]).T
        curve(middle, np.array(list(own)), needed, color="0.4", **marks[samples])
    middle.set(xlabel="share of random labels", xlim=(-0.08, 1.08), yscale="log")
    for noise, look in looks.items():
        own = {N: x for (other, N), x in sorted(found.conditions.items()) if other == noise}
        if own:
            needed = np.array([x.at("kl") / N for N, x in own.items()]).T
            curve(right, np.array(list(own)), needed, **look)
    right.set(xlabel="images N", xscale="log", yscale="log")
    ticks(right, {N for _, N in found.conditions})
    middle.set_ylabel("KL / N, nats per image")
    ends = middle.get_ylim()  # both panels are of the same networks
    if ends[0] > 0:
        right.set_ylim(ends)
    for ax in (middle, right):
        plain(ax, "y")
        ax.grid(axis="y")
    lettered((left, middle, right), ("by beta", f"at {MATCHED:g} nats, by labels", f"at {MATCHED:g} nats, by images"))
    legend(figure, {**noise_legend(found, looks), **samples_legend(found, (N for _, N in found.conditions))}, 4)
    return style.save(figure, folder, "structure")


def _largest(values, least):
    """Return the largest of arrays, and at least this."""
    return max([least, *(np.nanmax(np.where(np.isfinite(x), x, least), initial=least) for x in values)])


@style.STYLE
def transition(folder: Path, found: Measured) -> list[Path]:
    """Draw `transition`: accuracy and distance from ignorance by beta; the beta at which random labels are given up."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    looks = by_noise(found)
    for noise, x in found.by_noise.items():
        curve(left, x.beta, x["training_accuracy"], **looks[noise])
        curve(middle, x.beta, x["ignorance"], **looks[noise])
        at = mean(x.thresholds)
        left.plot([at], [HALF], "|", color=looks[noise]["color"], markersize=11, markeredgewidth=1.4)
    for noise, x in found.again.items():
        again = {**looks[noise], "linestyle": "", "marker": "o", "markersize": 5, "markeredgewidth": 1}
        for ax, what in ((left, "training_accuracy"), (middle, "ignorance")):
            ax.plot(x.beta, mean(x[what]), **again, markerfacecolor="white")
    left.axhline(HALF, linestyle=":", **LINE)
    left.set(ylabel="accuracy on training images", ylim=(0, 1.03))
    middle.set_ylabel("mean $d_B$, nats")
    middle.set_ylim(bottom=-0.03)
    for ax in (left, middle):
        ax.axvline(1, **LINE)
        ax.set(xscale="log", xlabel="beta")
        ax.grid(axis="y")
    _rows(right, found)
    lettered((left, middle, right), ("memorising", "distance from ignorance", "$\\beta_{50}$ of random labels"))
    again = {"color": "0.4", "marker": "o", "linestyle": "", "markeredgewidth": 1, "markerfacecolor": "white"}
    at = {"color": "0.4", "marker": "|", "linestyle": "", "markersize": 9, "markeredgewidth": 1.4}
    beside = {"from memorising networks": again, "$\\beta_{50}$ of each": at, "beta = 1": LINE}
    legend(figure, {**noise_legend(found, looks), **beside}, 4)
    return style.save(figure, folder, "transition")


def _rows(ax, found):
    """Draw thresholds of random labels by N, and by posterior."""
    most = max(found.by_noise)
    every = {samples_name(N): x for (noise, N), x in sorted(found.by_samples.items()) if noise == most}
    groups = len(every)
    every |= {name.replace("_", " "): x for name, x in found.posteriors.items()}
    places = np.arange(len(every)) + 0.6 * (np.arange(len(every)) >= groups)
    colour = by_noise(found)[most]["color"]
    for place, x in zip(places, every.values()):
        each = x.thresholds
        if len(each) > 1:
            ax.plot(each, place + np.linspace(-0.15, 0.15, len(each)), **SEED, color=colour)
        ax.plot([mean(each)], [place], "|", color=colour, markersize=11, markeredgewidth=1.6)
    ax.axvline(1, **LINE)
    ax.set(xscale="log", xlabel="beta", ylim=(places[-1] + 0.6, -0.6))
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.03), max(high, 1.5))
    plain(ax, "x")
    ax.set_yticks(places, list(every))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


@style.STYLE
def measures(folder: Path, found: Measured) -> list[Path]:
    """Draw `measures`: other measures of information by KL, where the cross entropy of draws is the same."""
    names = [name for name in MEASURES.values() if name != "kl"]
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    axes = figure.subplots(1, len(names))
    looks, marks = by_noise(found), by_samples(found)
    every = found.conditions
    kl = np.array([x.at("kl") for x in every.values()])
    titles = []
    for ax, name in zip(axes, names):
        values = np.array([x.at(name) for x in every.values()])
        for (noise, N), x, y in zip(every, kl, values):
            look = {**looks[noise], **marks[N], "linestyle": "", "markeredgewidth": 0, "alpha": 0.8}
            ax.plot(x, y, **look)
        titles.append(rank(kl.ravel(), values.ravel()))
        ax.set(xscale="log", xlabel="KL, nats", ylabel=UNITS[name])
        if name == "information":
            ends = np.array(ax.get_xlim())
            ax.plot(ends, ends, linestyle=":", **LINE)
            ax.set_xlim(ends)
        if name != "fineness":
            ax.set_yscale("log")
            plain(ax, "y")
        plain(ax, "x")
        ax.grid()
    lettered(axes, titles)
    handles = {**noise_legend(found, looks), **samples_legend(found, (N for _, N in every))}
    handles |= {"as much as KL": {"linestyle": ":", **LINE}}
    legend(figure, {name: {**look, "linestyle": look.get("linestyle", "")} for name, look in handles.items()}, 5)
    return style.save(figure, folder, "measures")


@style.STYLE
def bounds(folder: Path, found: Measured) -> list[Path]:
    """Draw `bounds`: Catoni's bound by beta, beside the loss of test images; above log C it says nothing."""
    figure = Figure((style.PAGE, 2.9), layout="constrained")
    axes = figure.subplots(1, 2)
    looks = by_noise(found)
    few = {noise: x for noise, x in found.by_noise.items() if noise in found.bounded}
    for ax, sweeps in zip(axes, (few, found.bounded)):
        for noise, x in sweeps.items():
            curve(ax, x.beta, strict(x), **looks[noise])
            curve(ax, x.beta, x["test_loss_clipped"], **looks[noise], marker="s", linestyle="--")
        ax.set(xscale="log", xlabel="beta", ylabel="mean loss, nats")
        ax.axhline(IGNORANT, color=BLACK, linewidth=0.8)
        ax.grid(axis="y")
    axes[0].set_yscale("log")
    plain(axes[0], "y")
    axes[1].set_ylim(bottom=0)
    ticks(axes[1], {beta for x in found.bounded.values() for beta in x.beta.tolist()})
    lettered(axes, [samples_name(next(iter(x.values())).samples) if x else "none" for x in (few, found.bounded)])
    handles = {name: {**look, "marker": ""} for name, look in noise_legend(found, found.bounded).items()}
    handles |= {
        "bound on the loss": {"color": "0.4", "marker": "o"},
        "loss of test images": {"color": "0.4", "marker": "s", "linestyle": "--"},
        "log C, above which it says nothing": {"color": BLACK, "linewidth": 0.8},
    }
    legend(figure, handles, 3)
    return style.save(figure, folder, "bounds")


FIGURES = (structure, transition, measures, bounds, more.training, more.batches, more.lengths, more.invariance)
