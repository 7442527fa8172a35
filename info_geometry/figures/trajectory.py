"""Figures of trajectories: progress, lengths, and distances at equal progress.  See `style`."""

import itertools

import numpy as np
from matplotlib.ticker import FuncFormatter

from info_geometry.figures import style

NEARLY_ALL = 0.9  # of a range of progress: means over less are marked


@style.STYLE
def progress(folder, curves):
    """Draw `progress`: progress and accuracy against training time; seeds thin, their mean bold.

    curves: dicts of run, seed, t (T,), t_name, progress (T,) and, where known, others such as accuracy (T,), a panel
    each.
    """
    styles = style.colours(curve["run"] for curve in curves)
    panels = [
        key
        for key in dict.fromkeys(["progress", *(key for c in curves for key in c)])
        if key not in ("run", "seed", "t", "t_name")
        if key == "progress" or any(np.isfinite(np.asarray(c.get(key, []), float)).any() for c in curves)
    ]
    figure = style.figure_with_legend(styles, style.PAGE, 2.5)
    for ax, key in zip(np.atleast_1d(figure.subplots(1, len(panels), sharex=True)), panels):
        for run, look in styles.items():
            seeds = [
                (np.asarray(c["t"], float), np.asarray(c[key], float))
                for c in curves
                if str(c["run"]) == run and c.get(key) is not None
            ]
            for t, y in seeds if len(seeds) > 1 else []:
                ax.plot(t, y, linewidth=0.6, alpha=0.4, color=look["color"], linestyle=look["linestyle"])
            _line(ax, *_mean_over_time(seeds), look)
        _time_axis(ax, curves)
        ax.set(xlabel=style.literal(curves[0].get("t_name") or "t") if curves else "t", ylabel=key)
        ax.set_ylim(bottom=0)
    return style.save(figure, folder, "progress")


@style.STYLE
def trajectory_distances(folder, grid, curves, means, runs, errors=None):
    """Draw `trajectories`: distance between every two runs against progress, one panel a run, and the means of these.

    grid (G,); curves {(run, run): (G,)}, NaN outside the common range; means (K, K) over it; runs: K names.
    errors: cause -> (standard errors of curves, of means), as `Comparison.mean_errors` returns them, or None; bands and
    numbers show all causes together.
    Distances grow with progress, so that means over less of it do not compare with the others: where ranges differ, the
    end of each stands below its mean, in place of the error.
    One run has nothing to be compared with: returns [].
    """
    styles, names = style.colours(runs), style.display_names(runs)
    if len(styles) < 2:
        return []
    pairs = {
        (str(x), str(y)): (curve, _together([error[a, b] for error, _ in (errors or {}).values()]))
        for (a, b), curve in curves.items()
        for x, y in ((a, b), (b, a))
    }
    panels = list(styles) if len(styles) > 2 else list(styles)[:1]  # two runs have one curve
    beside = len(styles) <= 6
    columns = (1 if len(panels) == 1 else 2 if len(panels) <= 4 else 3) if beside else 4
    rows = -(-len(panels) // columns)
    side = min(style.PAGE, 0.38 * len(styles) + 1.4)  # of the heat map below the panels
    figure = style.figure_with_legend(
        styles, style.PAGE, 0.3 + (max(2.5, 1.25 * rows) if beside else 1.15 * rows + side)
    )
    parts = (
        figure.subfigures(1, 2, width_ratios=(1.3, 1))
        if beside
        else figure.subfigures(2, 1, height_ratios=(1.15 * rows + 0.3, side))
    )
    axes = parts[0].subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for number, (ax, run) in enumerate(zip(axes.flat, panels)):
        for other in styles:
            if (run, other) in pairs and other != run:
                _line(ax, grid, pairs[run, other][0], styles[other])
                _band(ax, grid, *pairs[run, other], styles[other]["color"])
        if not any(np.isfinite(curve).any() for pair, (curve, _) in pairs.items() if run in pair):
            ax.text(0.5, 0.5, "no progress in common", transform=ax.transAxes, ha="center", fontsize=6.5, color="0.4")
        title = f"from {names[run]}"
        ax.set_title(title, pad=3, fontsize=min(8, (3.2 if beside else 6) / columns * 120 / len(title)))
        ax.tick_params(labelbottom=number + columns >= len(panels))
    axes[0, 0].set(xlim=(0, 1), xticks=(0, 0.5, 1), ylim=(0, None))
    axes[0, 0].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    parts[0].supxlabel("progress", fontsize=8)
    parts[0].supylabel("Bhattacharyya distance", fontsize=8)
    ends = _square_of_ends(grid, pairs, list(styles))
    _heat_map(
        parts[1],
        np.asarray(means, float),
        _together([error for _, error in (errors or {}).values()]),
        [names[run] for run in styles],
        ends,
    )
    return style.save(figure, folder, "trajectories")


@style.STYLE
def lengths(folder, rows):
    """Draw `lengths`: the Riemann length of every seed as a dot, the mean as a bar.

    rows: dicts of run, seed, riemann_length and, where known, error_for_other_samples, its standard error.
    """
    styles = style.colours(row["run"] for row in rows)
    names = style.display_names(styles)
    figure = style.Figure((style.COLUMN, 0.7 + 0.22 * max(len(styles), 1)), layout="constrained")
    ax = figure.add_subplot()
    for place, (run, look) in enumerate(styles.items()):
        seeds = [row for row in rows if str(row["run"]) == run]
        values = np.array([row["riemann_length"] for row in seeds], float)
        ax.plot(
            values,
            np.full(len(values), place),
            look["marker"],
            color=look["color"],
            alpha=0.6,
            markeredgewidth=0,
            clip_on=False,
        )
        errors = [row["error_for_other_samples"] for row in seeds if row.get("error_for_other_samples") is not None]
        if errors:
            ax.errorbar(
                values.mean(),
                place + 0.36,
                xerr=np.sqrt(np.mean(np.square(errors))),
                fmt="none",
                color=look["color"],
                elinewidth=1,
                capsize=2,
            )
        ax.plot(values.mean(), place, "|", color=look["color"], markersize=11, markeredgewidth=1.5, clip_on=False)
    ax.set_yticks(range(len(styles)), names.values())
    bars = (
        "\nbars: standard error for other samples"
        if any(row.get("error_for_other_samples") is not None for row in rows)
        else ""
    )
    ax.set(ylim=(len(styles) - 0.4, -0.5), xlabel=f"Riemann length{bars}")
    ax.set_xlim(0, ax.get_xlim()[1])
    ax.grid(axis="x")
    ax.set_axisbelow(True)
    return style.save(figure, folder, "lengths")


def _line(ax, x, y, look):
    """Draw what is known of a curve, with its end marked."""
    known = np.isfinite(y)
    if known.any():
        ax.plot(np.asarray(x)[known], np.asarray(y)[known], markevery=[-1], markersize=3.5, clip_on=False, **look)


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
        ax.set_xticks([0, *decades[:: -(-len(decades) // 5)]])
        ax.set_xticks(np.outer(decades, range(2, 10)).ravel(), minor=True)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:g}"))
        ax.set_xlim(min(times.min(), 0), positive.max() * 1.15)


def _square_of_ends(grid, pairs, runs):
    """Return the ends of the progress over which each pair is compared, (K, K, 2), NaN where there is none."""
    ends = np.full((len(runs), len(runs), 2), np.nan)
    for i, j in itertools.permutations(range(len(runs)), 2):
        known = np.asarray(grid)[np.isfinite(pairs[runs[i], runs[j]][0])] if (runs[i], runs[j]) in pairs else []
        if len(known) > 1:
            ends[i, j] = known[0], known[-1]
    return ends


def _heat_map(figure, values, errors, names, ends):
    """Draw values (K, K) with their numbers in the cells, in black or white, whichever reads better.

    errors (K, K) stand below them where there is room, or None.  ends (K, K, 2): of the progress that values are means
    over; these stand there instead if some range is narrower than NEARLY_ALL of the widest.
    """
    ax = figure.add_subplot()
    shown = np.where(np.eye(len(names), dtype=bool), np.nan, values)
    largest = shown[np.isfinite(shown)].max(initial=0) or 1
    ax.imshow(shown, cmap="viridis", vmin=0, vmax=largest)
    width = np.ptp(ends, axis=2)
    differ = (width < NEARLY_ALL * np.nanmax(width, initial=0)).any()
    known = errors is not None and len(names) <= 8 and not differ
    decimals = int(np.clip(1 - np.floor(np.log10(largest)), 2, 5)) + (known or differ)
    late = differ and np.nanmax(ends[..., 0]) > np.nanmin(ends[..., 0]) + 0.05  # where ranges begin differs as well
    letters = max(decimals + 2 + known, 7 if differ else 0)
    size = _fitting(letters, len(names), 1.6 if len(names) <= 6 else min(4.2, 0.36 * len(names)))
    for row, column in itertools.permutations(range(len(names)), 2):
        if not np.isfinite(shown[row, column]):
            ax.text(column, row, "–", ha="center", va="center", fontsize=7, color="0.4")
            continue
        text = f"{shown[row, column]:.{decimals}f}"
        if differ:
            first, last = (f"{end:.2f}".removeprefix("0") for end in ends[row, column])
            text += f"\n{first}–{last}" if late else f"\nto {last}"
        elif known and np.isfinite(errors[row, column]):
            text += f"\n±{errors[row, column]:.{decimals}f}"
        ax.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            linespacing=0.95,
            fontsize=size,
            color="white" if shown[row, column] < 0.6 * largest else "black",
        )
    ax.set_xticks(range(len(names)), names, **style.slanted(names, 2.2 if len(names) <= 6 else 4))
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    notes = ["mean over common progress" + (" ± standard error" if known else "")]
    if differ:
        notes.append("of both, which is what the cell says" if late else "of both, which ends where the cell says")
    if np.isnan(shown[~np.eye(len(names), dtype=bool)]).any():
        notes.append("– no progress in common")
    ax.set_title("\n".join(notes), pad=4, fontsize=7.5 if len(notes) > 1 else 8)
    ax.set_anchor("SW" if len(names) <= 6 else "S")  # beside panels, the layout leaves too little room for labels


def _fitting(letters, count, width):
    """Return the size of letters, in points, at which so many fit a cell of `count` on an axis of `width` inches."""
    return float(np.clip(72 * width / count / (0.66 * letters), 3.5, 7))
