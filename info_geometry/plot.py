"""Arrays in, figure files out.  What is to be turned with the mouse is in `page`.

Every function writes `<folder>/<name>.png` (200 dpi) and `.pdf` and returns the written paths.  Sizes are those on
paper: 3.3 inches for a column, 6.8 for the page.  A run keeps its colour in all figures that list the same runs.
Their metadata say the version and, of figures of a command, its command line and a fingerprint of its inputs.

`index` is a dict of arrays of length M, one entry per model: `run`, `seed`, `checkpoint`, `t` and, where known,
`accuracy` and `progress`.
"""
import itertools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from info_geometry import provenance
from info_geometry.files import atomic_path

COLUMN, PAGE = 3.3, 6.8
DPI = 200
# Okabe and Ito's colour-blind safe palette; grey takes the place of yellow, which is too light for a thin line
PALETTE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C"
LINES = ("-", "o"), ("--", "s"), (":", "D"), ("-.", "X")
STYLE = matplotlib.rc_context({
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7.5, "legend.frameon": False, "legend.handlelength": 2.2, "legend.columnspacing": 1.5,
    "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False, "grid.linewidth": 0.4,
    "grid.color": "0.87", **{f"axes3d.{axis}axis.panecolor": (0.97, 0.97, 0.97) for axis in "xyz"},
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4, "ytick.minor.width": 0.4,
    "lines.linewidth": 1.3, "lines.markersize": 4.5, "pdf.fonttype": 42})
LONGEST_NAME = 18
LONGEST_LEGEND = 40  # names
VECTORS = 5000  # models up to which a PDF holds a shape for each; of more, an image of all


def colours(runs):
    """Return {run: {color, linestyle, marker}} in order of first appearance."""
    runs = dict.fromkeys(map(str, runs))
    looks = ({"color": color, "linestyle": line, "marker": marker} for line, marker in LINES for color in PALETTE)
    return dict(zip(runs, itertools.cycle(looks)))


def display_names(runs):
    """Return {run: name}: without the prefix `<data set>_` if all share it, and with the middle of long names cut."""
    runs = list(dict.fromkeys(map(str, runs)))
    parts = [run.partition("_") for run in runs]
    shared = len({head for head, _, _ in parts}) == 1 and all(tail.strip("_") for _, _, tail in parts)
    names = [tail if shared else run for run, (_, _, tail) in zip(runs, parts)]
    short = [n if len(n) <= LONGEST_NAME else f"{n[:LONGEST_NAME - 11]}…{n[-10:]}" for n in names]
    return dict(zip(runs, short if len(set(short)) == len(runs) else names))


@STYLE
def embedding(folder, coordinates, imaginary, index, explained=None, geodesic=None):
    """Draw the InPCA picture as `inpca_3d` (if there are three axes) and `inpca_axes` (pairs of axes).

    coordinates (M, k), imaginary (k,), explained (K,) stress of the first 1..K axes or None.
    geodesic (S, k): points of the geodesic from ignorance P_0 to truth P_*, or None.
    """
    points, labels = first_axes(coordinates, imaginary, index)
    geodesic = None if geodesic is None or labels[0] == "checkpoint" else np.asarray(geodesic, float)[:, :3]
    stress = stress_text(explained, min(3, len(imaginary)))
    written = _embedding_3d(folder, points, labels, index, stress, geodesic) if points.shape[1] == 3 else []
    return written + _embedding_axes(folder, points, labels, index, stress, geodesic)


@STYLE
def spectrum(folder, eigenvalues, imaginary, explained, errors=None):
    """Draw `spectrum`: the first eigenvalues (M,) by size, imaginary (M,) ones hollow, and explained stress (K,).

    errors: standard errors of the explained stress of the first axes, a dict cause -> (k,), or None.
    """
    size, imaginary = np.abs(np.asarray(eigenvalues, float))[:30], np.asarray(imaginary, bool)[:30]
    explained = np.asarray(explained, float)[:10]
    figure = Figure((PAGE, 2.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    number = np.arange(1, len(size) + 1)
    visible = size > 1e-12 * size.max(initial=0)  # centring makes one eigenvalue zero up to rounding
    for label, marker, face, kind in ("real", "o", PALETTE[0], ~imaginary), ("imaginary", "s", "white", imaginary):
        if (visible & kind).any():
            left.plot(number[visible & kind], size[visible & kind], marker, color=PALETTE[0], markerfacecolor=face,
                      label=label)
    if visible.any():
        left.set_yscale("log")
        left.legend()
    left.set(xlabel="axis", ylabel="|eigenvalue|")
    axes = np.arange(1, len(explained) + 1)
    right.plot(axes, explained, "o-", color=PALETTE[0], clip_on=False)
    for (cause, error), look in zip((errors or {}).items(), ({"color": "black", "elinewidth": 1.2, "capsize": 4},
                                                             {"color": PALETTE[1], "elinewidth": 2.4})):
        error = np.asarray(error)[: len(axes)]
        right.errorbar(axes[: len(error)], explained[: len(error)], error, fmt="none", label=f"other {cause}", zorder=3,
                       **look)
    if errors:
        right.legend(title="standard error for", loc="lower right", title_fontsize=7.5)
    for k, value in zip(axes[:5], explained):
        if np.isfinite(value):
            right.annotate(f"{100 * value:.0f} %", (k, value), (2, -5), va="top", fontsize=7,
                           textcoords="offset points")
    right.set(xlabel="number of axes", ylabel="explained stress", ylim=(0, 1), xlim=(0.5, max(len(axes), 1) + 0.5))
    right.yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    right.set_xticks(axes)
    step = 5 if len(size) > 10 else 1
    left.set(xlim=(0, max(len(size), 1) + 1), xticks=sorted({1, *range(step, len(size) + 1, step)}))
    return save(figure, folder, "spectrum")


@STYLE
def distance_matrix(folder, D, index):
    """Draw `distances`: all pairwise distances D (M, M), models grouped by run."""
    runs = np.asarray(index["run"]).astype(str)
    styles, names = colours(runs), display_names(runs)
    blocks = [np.flatnonzero(runs == run) for run in styles]
    order, edges = np.concatenate(blocks), np.cumsum([0, *map(len, blocks)]) - 0.5
    figure = Figure((4.8, 4.1), layout="compressed")  # "constrained" clips labels of axes of fixed aspect
    ax = figure.add_subplot()
    D = np.asarray(D)[np.ix_(order, order)]
    largest = D[np.isfinite(D)].max(initial=0)
    image = ax.imshow(D, cmap="viridis", vmin=0, vmax=largest or 1, rasterized=True)
    for edge in edges[1:-1]:
        ax.axhline(edge, color="white", linewidth=0.5)
        ax.axvline(edge, color="white", linewidth=0.5)
    for style, start, stop in zip(styles.values(), edges, edges[1:]):  # a strip in the colour of the run on both sides
        ax.axvspan(start, stop, -0.028, -0.008, color=style["color"], linewidth=0, clip_on=False)
        ax.axhspan(start, stop, -0.028, -0.008, color=style["color"], linewidth=0, clip_on=False)
    limits = edges[0], edges[-1]
    middle, text = (edges[1:] + edges[:-1]) / 2, [names[run] for run in styles]
    ax.set(xlim=limits, ylim=limits[::-1])
    ax.set_xticks(middle, text, **_slanted(text, 3.2))
    ax.set_yticks(middle, text)
    ax.tick_params(length=0, pad=8)
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, label="Bhattacharyya distance", shrink=0.8).outline.set_visible(False)
    return save(figure, folder, "distances")


@STYLE
def progress(folder, curves):
    """Draw `progress`: progress and accuracy against training time; seeds thin, their mean bold.

    curves: dicts of run, seed, t (T,), t_name, progress (T,) and, where known, accuracy (T,).
    """
    styles = colours(curve["run"] for curve in curves)
    panels = [key for key in ("progress", "accuracy")
              if key == "progress" or any(np.isfinite(np.asarray(c.get(key, []), float)).any() for c in curves)]
    figure = figure_with_legend(styles, PAGE, 2.5)
    for ax, key in zip(np.atleast_1d(figure.subplots(1, len(panels), sharex=True)), panels):
        for run, style in styles.items():
            seeds = [(np.asarray(c["t"], float), np.asarray(c[key], float)) for c in curves
                     if str(c["run"]) == run and c.get(key) is not None]
            for t, y in seeds if len(seeds) > 1 else []:
                ax.plot(t, y, linewidth=0.6, alpha=0.4, color=style["color"], linestyle=style["linestyle"])
            _line(ax, *_mean_over_time(seeds), style)
        _time_axis(ax, curves)
        ax.set(xlabel=curves[0].get("t_name") or "t" if curves else "t", ylabel=key)
        ax.set_ylim(bottom=0)
    return save(figure, folder, "progress")


@STYLE
def trajectory_distances(folder, grid, curves, integrals, runs, errors=None):
    """Draw `trajectories`: distance between every two runs against progress, one panel a run, and the integrals.

    grid (G,); curves {(run, run): (G,)}, NaN outside the common range; integrals (K, K); runs: K names.
    errors: cause -> (standard errors of curves, of integrals), as `comparison.Comparison` has them, or None; bands and
    numbers show all causes together.
    One run has nothing to be compared with: returns [].
    """
    styles, names = colours(runs), display_names(runs)
    if len(styles) < 2:
        return []
    pairs = {(str(x), str(y)): (curve, _together([error[a, b] for error, _ in (errors or {}).values()]))
             for (a, b), curve in curves.items() for x, y in ((a, b), (b, a))}
    panels = list(styles) if len(styles) > 2 else list(styles)[:1]  # two runs have one curve
    beside = len(styles) <= 6
    columns = (1 if len(panels) == 1 else 2 if len(panels) <= 4 else 3) if beside else 4
    rows = -(-len(panels) // columns)
    side = min(PAGE, 0.38 * len(styles) + 1.4)  # of the heat map below the panels
    figure = figure_with_legend(styles, PAGE, 0.3 + (max(2.5, 1.25 * rows) if beside else 1.15 * rows + side))
    parts = (figure.subfigures(1, 2, width_ratios=(1.3, 1)) if beside else
             figure.subfigures(2, 1, height_ratios=(1.15 * rows + 0.3, side)))
    axes = parts[0].subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels):]:
        ax.remove()
    for number, (ax, run) in enumerate(zip(axes.flat, panels)):
        for other in styles:
            if (run, other) in pairs and other != run:
                _line(ax, grid, pairs[run, other][0], styles[other])
                _band(ax, grid, *pairs[run, other], styles[other]["color"])
        title = f"from {names[run]}"
        ax.set_title(title, pad=3, fontsize=min(8, (3.2 if beside else 6) / columns * 120 / len(title)))
        ax.tick_params(labelbottom=number + columns >= len(panels))
    axes[0, 0].set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, None))
    axes[0, 0].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    parts[0].supxlabel("progress", fontsize=8)
    parts[0].supylabel("Bhattacharyya distance", fontsize=8)
    _heat_map(parts[1], np.asarray(integrals, float), _together([error for _, error in (errors or {}).values()]),
              [names[run] for run in styles])
    return save(figure, folder, "trajectories")


@STYLE
def lengths(folder, rows):
    """Draw `lengths`: the Riemann length of every seed as a dot, the mean as a bar.

    rows: dicts of run, seed, length and, where known, error, its standard error for other samples.
    """
    styles = colours(row["run"] for row in rows)
    names = display_names(styles)
    figure = Figure((COLUMN, 0.7 + 0.22 * max(len(styles), 1)), layout="constrained")
    ax = figure.add_subplot()
    for place, (run, style) in enumerate(styles.items()):
        seeds = [row for row in rows if str(row["run"]) == run]
        values = np.array([row["length"] for row in seeds], float)
        ax.plot(values, np.full(len(values), place), style["marker"], color=style["color"], alpha=0.6,
                markeredgewidth=0, clip_on=False)
        errors = [row["error"] for row in seeds if row.get("error") is not None]
        if errors:
            ax.errorbar(values.mean(), place + 0.36, xerr=np.sqrt(np.mean(np.square(errors))), fmt="none",
                        color=style["color"], elinewidth=1, capsize=2)
        ax.plot(values.mean(), place, "|", color=style["color"], markersize=11, markeredgewidth=1.5, clip_on=False)
    ax.set_yticks(range(len(styles)), names.values())
    bars = "\nbars: standard error for other samples" if any(row.get("error") is not None for row in rows) else ""
    ax.set(ylim=(len(styles) - 0.4, -0.5), xlabel=f"Riemann length{bars}")
    ax.set_xlim(0, ax.get_xlim()[1])
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    return save(figure, folder, "lengths")


def first_axes(coordinates, imaginary, index):
    """Return the first three coordinates and their labels; one alone is shown along the trajectory."""
    points = np.asarray(coordinates, float)[:, :3]
    labels = [f"InPC {k + 1}" + (" (imaginary)" if flag else "") for k, flag in enumerate(imaginary[:3])]
    if len(labels) == 1:
        return np.column_stack([index["checkpoint"], points]), ["checkpoint", *labels]
    return points, labels


def _embedding_3d(folder, points, labels, index, stress, geodesic):
    styles = colours(index["run"])
    # no layout engine, because it does not know 3-D labels
    figure = figure_with_legend(styles, PAGE, 4.5, start=geodesic is None, layout=None)
    height = figure.get_figheight()
    ax = figure.add_axes((0, 0.4 / height, 1, 4 / height), projection="3d", computed_zorder=False)
    draw_trajectories(ax, points, index, styles, geodesic)
    extent = np.ptp(points if geodesic is None else np.vstack([points, geodesic]), axis=0)
    # true proportions, unless an axis is so short that the box would be a sheet
    ax.set_box_aspect(np.clip(extent / extent.max(), 0.45, 1) if extent.max() > 0 else None, zoom=1.1)
    for axis, label in zip((ax.xaxis, ax.yaxis, ax.zaxis), labels):
        axis.set_label_text(label)
        axis.labelpad = 1
        axis.set_major_locator(MaxNLocator(5, prune="both"))
        axis.set_tick_params(pad=-1)
    figure.text(0.5, 0.01, stress, ha="center", fontsize=7.5)
    return save(figure, folder, "inpca_3d")


def _embedding_axes(folder, points, labels, index, stress, geodesic):
    styles = colours(index["run"])
    pairs = list(itertools.combinations(range(points.shape[1]), 2))
    extent = np.ptp(points if geodesic is None else np.vstack([points, geodesic]), axis=0)
    # equal units, unless most of the paper would stay white; as wide as their data, panels have nearly one scale
    equal = labels[0] != "checkpoint" and extent.min() > 0.3 * extent.max()
    widths = [max(extent[a] / extent.max(), 0.6) if equal else 1 for a, _ in pairs]
    tall = 5.4 / sum(widths) * extent[1:].max() / extent.max() + 0.9 if equal else 2.6
    figure = figure_with_legend(styles, PAGE if len(pairs) > 1 else 4.2, np.clip(tall, 2, 2.9), start=geodesic is None)
    for ax, (a, b) in zip(np.atleast_1d(figure.subplots(1, len(pairs), width_ratios=widths)), pairs):
        draw_trajectories(ax, points[:, [a, b]], index, styles, None if geodesic is None else geodesic[:, [a, b]])
        ax.set(xlabel=labels[a], ylabel=labels[b])
        ax.locator_params(nbins=4)
        if equal:
            ax.set_aspect("equal", adjustable="datalim")
    figure.supxlabel(stress, fontsize=7.5)
    return save(figure, folder, "inpca_axes")


def draw_trajectories(ax, points, index, styles, geodesic=None):
    """Draw models as points, and the mean of the seeds as lines with marked ends; points (M, 2 or 3).

    geodesic: from ignorance P_0 to truth P_*, (S, 2 or 3); without it, the start of training is marked.
    """
    runs, starts = np.asarray(index["run"]).astype(str), []
    for run, style in styles.items():
        rows = np.flatnonzero(runs == run)
        _, seeds = np.unique(np.asarray(index["seed"])[rows], return_inverse=True)
        steps, place = np.unique(np.asarray(index["checkpoint"])[rows], return_inverse=True)
        starts += [points[rows[seeds == seed][np.argmin(place[seeds == seed])]] for seed in range(seeds.max() + 1)]
        sums, counts = np.zeros((len(steps), points.shape[1])), np.bincount(place)
        np.add.at(sums, place, points[rows])
        # only where every seed has a model: else the mean jumps when a seed ends
        mean = sums[counts == seeds.max() + 1] / (seeds.max() + 1)
        look = {"color": style["color"], "markeredgewidth": 0}
        ax.plot(*points[rows].T, style["marker"], markersize=2.2, alpha=0.35, zorder=2, rasterized=len(runs) > VECTORS,
                **look)
        ax.plot(*mean.T, style["linestyle"], zorder=3, **look)
        ax.plot(*mean[-1:].T, style["marker"], **{**look, "markeredgecolor": "white", "markeredgewidth": 0.5}, zorder=4)
    if geodesic is None:
        ax.plot(*np.mean(starts, axis=0)[:, None], "o", color="none", markeredgecolor="black", markersize=7, zorder=5)
        return
    ax.plot(*geodesic.T, ":", color="black", linewidth=0.9, zorder=1)
    for end, name, below in (geodesic[0], "$P_0$", False), (geodesic[-1], "$P_*$", True):
        ax.plot(*end[:, None], "D", color="black", markersize=3.5, zorder=6)
        ax.text(*end, f"\n{name}" if below else f"{name}\n", fontsize=8, ha="center", va="top" if below else "bottom",
                linespacing=0.7, zorder=6, path_effects=[withStroke(linewidth=1.5, foreground="white")])


def stress_text(explained, count):
    """Say how much stress 1..count axes explain."""
    shares = [] if explained is None else [float(share) for share in explained[:count]]
    parts = [f"{k} {'axis' if k == 1 else 'axes'} {100 * share:.0f} %" for k, share in enumerate(shares, 1)]
    return "explained stress: " + ", ".join(parts) if parts and np.isfinite(shares).all() else ""


def _line(ax, x, y, style):
    """Draw what is known of a curve, with its end marked."""
    known = np.isfinite(y)
    if known.any():
        ax.plot(np.asarray(x)[known], np.asarray(y)[known], markevery=[-1], markersize=3.5, clip_on=False, **style)


def _together(errors):
    """Return the standard error of independent causes together, from arrays of their own; None if none is known."""
    known = [np.asarray(error, float) for error in errors if np.isfinite(error).any()]
    return np.sqrt(np.sum(np.square(known), axis=0)) if known else None


def _band(ax, x, y, error, color):
    """Draw the standard error of a curve where it is known."""
    if error is not None:
        known = np.isfinite(y) & np.isfinite(error)
        ax.fill_between(x[known], (y - error)[known], (y + error)[known], color=color, alpha=0.2, linewidth=0)


def _mean_over_time(seeds):
    """Return the mean of curves (t (T,), y (T,)) over their common range, at the union of their times."""
    seeds = [(t, y) for t, y in seeds if len(t)]
    if not seeds:
        return np.empty(0), np.empty(0)
    times = np.unique(np.concatenate([t for t, _ in seeds]))
    times = times[(times >= max(t[0] for t, _ in seeds)) & (times <= min(t[-1] for t, _ in seeds))]
    return times, np.mean([np.interp(times, t, y) for t, y in seeds], axis=0) if len(times) else times


def _time_axis(ax, curves):
    """Logarithmic in t, but with 0 on it: checkpoints are dense early, and training starts at 0."""
    times = np.concatenate([np.asarray(c["t"], float) for c in curves] or [[]])
    positive = times[times > 0]
    if len(positive) and positive.max() > 10 * positive.min():
        decades = 10.0 ** np.arange(np.ceil(np.log10(positive.min())), np.ceil(np.log10(positive.max())))
        ax.set_xscale("symlog", linthresh=positive.min(), linscale=0.3)
        ax.set_xticks([0, *decades[::-(-len(decades) // 5)]])
        ax.set_xticks(np.outer(decades, range(2, 10)).ravel(), minor=True)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:g}"))
        ax.set_xlim(min(times.min(), 0), positive.max() * 1.15)


def _heat_map(figure, values, errors, names):
    """Draw values (K, K) with their numbers in the cells, in black or white, whichever reads better.

    errors (K, K) stand below them where there is room, or None.
    """
    ax = figure.add_subplot()
    shown = np.where(np.eye(len(names), dtype=bool), np.nan, values)
    largest = shown[np.isfinite(shown)].max(initial=0) or 1
    ax.imshow(shown, cmap="viridis", vmin=0, vmax=largest)
    known = errors is not None and len(names) <= 8
    decimals = int(np.clip(1 - np.floor(np.log10(largest)), 2, 5)) + known
    for row, column in np.argwhere(np.isfinite(shown)):
        text = f"{shown[row, column]:.{decimals}f}"
        if known and np.isfinite(errors[row, column]):
            text += f"\n±{errors[row, column]:.{decimals}f}"
        ax.text(column, row, text, ha="center", va="center", linespacing=0.95,
                fontsize=7 if len(names) <= 6 and not known else 6,
                color="white" if shown[row, column] < 0.6 * largest else "black")
    ax.set_xticks(range(len(names)), names, **_slanted(names, 2.2 if len(names) <= 6 else 4))
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title("integrals ± standard error" if known else "integrated over common progress", pad=4)
    ax.set_anchor("SW" if len(names) <= 6 else "S")  # beside panels, the layout leaves too little room for labels


def _slanted(names, width):
    """Return how to set tick labels so that they do not overlap on an axis of `width` inches."""
    fits = max(map(len, names), default=0) * 0.065 < width / max(len(names), 1)
    return {} if fits else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}


def figure_with_legend(styles, width, height, start=False, layout="constrained"):
    """Return a figure of this size under a legend of the runs, and of the mark of the start."""
    names = list(display_names(styles).values())
    handles = [Line2D([], [], **style, markersize=4) for style in styles.values()]
    if len(names) > LONGEST_LEGEND:
        names = [*names[:LONGEST_LEGEND], f"… and {len(names) - LONGEST_LEGEND} more"]
        handles = [*handles[:LONGEST_LEGEND], Line2D([], [], color="none")]
    if start:
        names.append("start")
        handles.append(Line2D([], [], marker="o", color="none", markeredgecolor="black", markersize=6))
    fitting = int(width / (0.48 + 0.057 * max(map(len, names), default=0)))  # inches of the handle and of a letter
    rows = -(-len(names) // max(fitting, 1))
    figure = Figure((width, height + 0.16 * rows), layout=layout)
    figure.legend(handles, names, loc="outside upper center" if layout else "upper center",
                  ncols=-(-len(names) // max(rows, 1)) or 1)
    return figure


def save(figure, folder, name):
    """Write a figure as `<folder>/<name>.png` and `.pdf`, with its provenance in their metadata; return the paths."""
    origin, written = provenance.current(), []
    version, command, inputs = (origin.get(key) for key in ("version", "command", "inputs"))
    png = {"Software": version, "Description": command, "Source": inputs}
    for kind, metadata in (("png", {key: value for key, value in png.items() if value}),
                           # without a date the same data give the same file
                           ("pdf", {"Creator": version, "Subject": command, "Keywords": inputs, "CreationDate": None})):
        written.append(Path(folder) / f"{name}.{kind}")
        with atomic_path(written[-1]) as temporary:
            figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata)
        figure.set_layout_engine("none")  # the places found for the first file serve the second
    return written

