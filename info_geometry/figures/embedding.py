"""Figures of an embedding: the picture, its spectrum, and the distances it is made of.  See `style`."""

import itertools

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from info_geometry.figures import style

SHOWN = 2000  # models in the figure of distances, which has 700 pixels for them


@style.STYLE
def embedding(folder, coordinates, imaginary, index, explained=None, geodesic=None):
    """Draw the InPCA picture as `inpca_3d` (if there are three axes) and `inpca_axes` (pairs of axes).

    coordinates (M, k), imaginary (k,), explained (K,) stress of the first 1..K axes or None.
    geodesic (S, k): points of the geodesic from ignorance P_0 to truth P_*, or None.
    """
    points, labels = style.first_axes(coordinates, imaginary, index)
    geodesic = None if geodesic is None or labels[0] == "checkpoint" else np.asarray(geodesic, float)[:, :3]
    stress = style.stress_text(explained, min(3, len(imaginary)))
    written = _embedding_3d(folder, points, labels, index, stress, geodesic) if points.shape[1] == 3 else []
    return written + _embedding_axes(folder, points, labels, index, stress, geodesic)


@style.STYLE
def spectrum(folder, eigenvalues, imaginary, explained, errors=None):
    """Draw `spectrum`: the first eigenvalues (M,) by size, imaginary (M,) ones hollow, and explained stress (K,).

    errors: standard errors of the explained stress of the first axes, a dict cause -> (k,), or None.
    """
    size, imaginary = np.abs(np.asarray(eigenvalues, float))[:30], np.asarray(imaginary, bool)[:30]
    explained = np.asarray(explained, float)[:10]
    figure = style.Figure((style.PAGE, 2.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    number = np.arange(1, len(size) + 1)
    visible = size > 1e-12 * size.max(initial=0)  # centring makes one eigenvalue zero up to rounding
    for label, marker, face, kind in (
        ("real", "o", style.PALETTE[0], ~imaginary),
        ("imaginary", "s", "white", imaginary),
    ):
        if (visible & kind).any():
            left.plot(
                number[visible & kind],
                size[visible & kind],
                marker,
                color=style.PALETTE[0],
                markerfacecolor=face,
                label=label,
            )
    if visible.any():
        left.set_yscale("log")
        left.legend()
    left.set(xlabel="axis", ylabel="|eigenvalue|")
    axes = np.arange(1, len(explained) + 1)
    right.plot(axes, explained, "o-", color=style.PALETTE[0], clip_on=False)
    for (cause, error), look in zip(
        (errors or {}).items(),
        ({"color": "black", "elinewidth": 1.2, "capsize": 4}, {"color": style.PALETTE[1], "elinewidth": 2.4}),
    ):
        error = np.asarray(error)[: len(axes)]
        right.errorbar(
            axes[: len(error)], explained[: len(error)], error, fmt="none", label=f"other {cause}", zorder=3, **look
        )
    if errors:
        right.legend(title="standard error for", loc="lower right", title_fontsize=7.5)
    for k, value in zip(axes[:5], explained):
        if np.isfinite(value):
            right.annotate(
                f"{100 * value:.0f} %", (k, value), (2, -5), va="top", fontsize=7, textcoords="offset points"
            )
    right.set(xlabel="number of axes", ylabel="explained stress", ylim=(0, 1), xlim=(0.5, max(len(axes), 1) + 0.5))
    right.yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    right.set_xticks(axes)
    step = 5 if len(size) > 10 else 1
    left.set(xlim=(0, max(len(size), 1) + 1), xticks=sorted({1, *range(step, len(size) + 1, step)}))
    return style.save(figure, folder, "spectrum")


@style.STYLE
def distance_matrix(folder, D, index):
    """Draw `distances`: all pairwise distances D (M, M), models grouped by run; of many models every 2nd, 3rd, ..."""
    runs = np.asarray(index["run"]).astype(str)
    styles, names = style.colours(runs), style.display_names(runs)
    blocks = [np.flatnonzero(runs == run) for run in styles]
    every = -(-len(D) // SHOWN)
    blocks = [block[::every] for block in blocks]
    order, edges = np.concatenate(blocks), np.cumsum([0, *map(len, blocks)]) - 0.5
    figure = style.Figure((4.8, 4.1), layout="compressed")  # "constrained" clips labels of axes of fixed aspect
    ax = figure.add_subplot()
    D = np.asarray(D)[np.ix_(order, order)]
    largest = D.max(where=np.isfinite(D), initial=0)
    image = ax.imshow(D, cmap="viridis", vmin=0, vmax=largest or 1, rasterized=True)
    for edge in edges[1:-1]:
        ax.axhline(edge, color="white", linewidth=0.5)
        ax.axvline(edge, color="white", linewidth=0.5)
    for look, start, stop in zip(styles.values(), edges, edges[1:]):  # a strip in the colour of the run on both sides
        ax.axvspan(start, stop, -0.028, -0.008, color=look["color"], linewidth=0, clip_on=False)
        ax.axhspan(start, stop, -0.028, -0.008, color=look["color"], linewidth=0, clip_on=False)
    limits = edges[0], edges[-1]
    middle, text = (edges[1:] + edges[:-1]) / 2, [names[run] for run in styles]
    ax.set(xlim=limits, ylim=limits[::-1])
    ax.set_xticks(middle, text, **style.slanted(text, 3.2))
    ax.set_yticks(middle, text)
    ax.tick_params(length=0, pad=8)
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, label="Bhattacharyya distance", shrink=0.8).outline.set_visible(False)
    figure.supxlabel("in a block: seed by seed, each from its first to its last checkpoint", fontsize=7)
    return style.save(figure, folder, "distances")


def _embedding_3d(folder, points, labels, index, stress, geodesic):
    styles = style.colours(index["run"])
    # no layout engine, because it does not know 3-D labels
    figure = style.figure_with_legend(styles, style.PAGE, 4.5, start=geodesic is None, layout=None)
    height = figure.get_figheight()
    ax = figure.add_axes((0, 0.4 / height, 1, 4 / height), projection="3d", computed_zorder=False)
    style.draw_trajectories(ax, points, index, styles, geodesic)
    extent = np.ptp(points if geodesic is None else np.vstack([points, geodesic]), axis=0)
    # true proportions, unless an axis is so short that the box would be a sheet
    ax.set_box_aspect(np.clip(extent / extent.max(), 0.45, 1) if extent.max() > 0 else None, zoom=1.1)
    for axis, label in zip((ax.xaxis, ax.yaxis, ax.zaxis), labels):
        axis.set_label_text(label)
        axis.labelpad = 1
        axis.set_major_locator(MaxNLocator(5, prune="both"))
        axis.set_tick_params(pad=-1)
    figure.text(0.5, 0.01, stress, ha="center", fontsize=7.5)
    return style.save(figure, folder, "inpca_3d")


def _embedding_axes(folder, points, labels, index, stress, geodesic):
    styles = style.colours(index["run"])
    pairs = list(itertools.combinations(range(points.shape[1]), 2))
    shown = points if geodesic is None else np.vstack([points, geodesic])
    low, high = shown.min(axis=0), shown.max(axis=0)
    extent = high - low
    # all panels to one scale, unless most of the paper would stay white
    equal = labels[0] != "checkpoint" and extent.min() > 0.25 * extent.max()
    spans = 1.12 * np.maximum(extent, 0.35 * extent.max())
    height = 1.1 * max(spans[b] for _, b in pairs)  # room for the names of both ends
    widths = [spans[a] if equal else 1 for a, _ in pairs]
    tall = 4.8 / sum(widths) * height + 0.9 if equal else 2.6
    wide = style.PAGE if len(pairs) > 1 else 4.2
    figure = style.figure_with_legend(styles, wide, np.clip(tall, 1.8, 3.2), start=geodesic is None)
    for ax, (a, b) in zip(np.atleast_1d(figure.subplots(1, len(pairs), width_ratios=widths)), pairs):
        style.draw_trajectories(ax, points[:, [a, b]], index, styles, None if geodesic is None else geodesic[:, [a, b]])
        ax.set(xlabel=labels[a], ylabel=labels[b])
        ax.locator_params(nbins=4)
        if equal:
            middle = (low + high) / 2
            ax.set(xlim=middle[a] + spans[a] / 2 * np.array([-1, 1]), ylim=middle[b] + height / 2 * np.array([-1, 1]))
            ax.set_aspect("equal", adjustable="box")
    if not equal and labels[0] != "checkpoint":
        stress = "; ".join([*([stress] if stress else []), "axes are not to one scale"])
    figure.supxlabel(stress, fontsize=7.5)
    return style.save(figure, folder, "inpca_axes")
