"""What all figures share: sizes, colours, names, legends, how trajectories are drawn, and how a figure is saved.

Arrays in, figure files out: every function that draws a figure writes `<folder>/<name>.png` (200 dpi) and `.pdf` and
returns the written paths.  Sizes are those on paper: 3.3 inches for a column, 6.8 for the page.  A run keeps its colour
in all figures that commands write to a folder (`kept_looks`).  Metadata of the files say the version and, of figures of
a command, its command line and a fingerprint of its inputs.

`index` is a dict of arrays of length M, one entry per model: `run`, `seed`, `checkpoint`, `t` and, where known,
`accuracy` and `progress`.
"""

import contextlib
import contextvars
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from info_geometry.figures import beside, provenance
from info_geometry.files import InputError, atomic_path, lock, write_text

COLUMN, PAGE = 3.3, 6.8
DPI = 200
# Okabe and Ito's colour-blind safe palette; grey takes the place of yellow, which is too light for a thin line
PALETTE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C"
LINES = ("-", "o"), ("--", "s"), (":", "D"), ("-.", "X")
LOOKS = [{"color": color, "linestyle": line, "marker": marker} for line, marker in LINES for color in PALETTE]
_kept = contextvars.ContextVar("looks", default=None)
STYLE = matplotlib.rc_context(
    {
        **{key: value for key, value in matplotlib.rcParamsDefault.copy().items() if not key.startswith("backend")},
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "legend.handlelength": 2.2,
        "legend.columnspacing": 1.5,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.linewidth": 0.4,
        "grid.color": "0.87",
        **{f"axes3d.{axis}axis.panecolor": (0.97, 0.97, 0.97) for axis in "xyz"},
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.width": 0.4,
        "ytick.minor.width": 0.4,
        "lines.linewidth": 1.3,
        "lines.markersize": 4.5,
        "pdf.fonttype": 42,
    }
)
LONGEST_NAME = 22
LONGEST_LEGEND = 40  # names
VECTORS = 5000  # models up to which a PDF holds a shape for each; of more, an image of all


def colours(runs: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return {run: {color, linestyle, marker}} in order of first appearance, or as they were before (`kept_looks`)."""
    runs, kept = list(dict.fromkeys(map(str, runs))), _kept.get()
    return {run: LOOKS[number % len(LOOKS)] for run, number in (kept(runs) if kept else zip(runs, itertools.count()))}


@contextlib.contextmanager
def kept_looks(path: Path) -> Iterator[None]:
    """While the block runs, runs have the looks that a file remembers, whatever else is in a picture; it is added to.

    A new run gets the first look that neither a run of its data set has, nor one in the same picture.
    """

    def numbers(runs):
        known = {}
        with contextlib.suppress(InputError), lock(path.with_suffix(".lock"), path, wait=True):
            known = _read_looks(path)
            found = _numbers(runs, known)
            if found.items() - known.items():
                write_text(path, json.dumps({**known, **{k: v for k, v in found.items() if k not in known}}))
            return found.items()
        return _numbers(runs, known).items()

    token = _kept.set(numbers)
    try:
        yield
    finally:
        _kept.reset(token)


def _read_looks(path):
    """Return {run: number of its look}, of what is sound of a file that may not be there."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {run: number for run, number in found.items() if type(number) is int and number >= 0}
    return {}


def _numbers(runs, known):
    """Return {run: number of its look}; of two that would look alike in this picture, the later has another one."""
    found = {}
    for run in sorted(runs, key=lambda run: run not in known):
        taken = {*found.values()}
        if run not in known or known[run] in taken:
            dataset = run.partition("_")[0]
            taken |= {number for other, number in known.items() if other.partition("_")[0] == dataset and other != run}
            found[run] = next(number for number in itertools.count() if number not in taken)
        else:
            found[run] = known[run]
    return {run: found[run] for run in runs}


def literal(text: str) -> str:
    """Return a text of somebody else's as matplotlib draws it as it is: between two dollars it reads mathematics."""
    return text.replace("$", r"\$")


def display_names(runs: Iterable[str]) -> dict[str, str]:
    """Return {run: name}, for matplotlib to draw: the `short_names`."""
    return {run: literal(name) for run, name in short_names(runs).items()}


def short_names(runs: Iterable[str]) -> dict[str, str]:
    """Return {run: name}: without the prefix `<data set>_` if all share it, and with the middle of long names cut."""
    runs = list(dict.fromkeys(map(str, runs)))
    parts = [run.partition("_") for run in runs]
    shared = len({head for head, _, _ in parts}) == 1 and all(tail.strip("_") for _, _, tail in parts)
    names = [tail if shared else run for run, (_, _, tail) in zip(runs, parts)]
    short = [n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 11]}…{n[-10:]}" for n in names]
    return dict(zip(runs, short if len(set(short)) == len(runs) else names))


def first_axes(coordinates: np.ndarray, imaginary: np.ndarray, index: dict) -> tuple[np.ndarray, list[str]]:
    """Return the first three coordinates (M, 3) of all models, and their labels.

    A single one is shown along the trajectory: (M, 2), of the checkpoint and the coordinate.
    """
    points = np.asarray(coordinates, float)[:, :3]
    labels = [f"InPC {k + 1}" + (" (imaginary)" if flag else "") for k, flag in enumerate(imaginary[:3])]
    if len(labels) == 1:
        return np.column_stack([index["checkpoint"], points]), ["checkpoint", *labels]
    return points, labels


def draw_trajectories(
    ax: Axes, points: np.ndarray, index: dict, styles: dict[str, dict[str, str]], geodesic: np.ndarray | None = None
) -> None:
    """Draw models as points, and the mean of the seeds as lines with marked ends; points (M, 2 or 3).

    geodesic: from ignorance P_0 to truth P_*, (S, 2 or 3); without it, the start of training is marked.
    """
    runs, starts = np.asarray(index["run"]).astype(str), []
    for run, style in styles.items():
        rows = np.flatnonzero(runs == run)
        _, seeds = np.unique(np.asarray(index["seed"])[rows], return_inverse=True)
        steps, number = np.unique(np.asarray(index["checkpoint"])[rows], return_inverse=True)
        starts += [points[rows[seeds == seed][np.argmin(number[seeds == seed])]] for seed in range(seeds.max() + 1)]
        sums, counts = np.zeros((len(steps), points.shape[1])), np.bincount(number)
        np.add.at(sums, number, points[rows])
        # only where every seed has a model: else the mean jumps when a seed ends
        mean = sums[counts == seeds.max() + 1] / (seeds.max() + 1)
        look = {"color": style["color"], "markeredgewidth": 0}
        ax.plot(
            *points[rows].T,
            style["marker"],
            markersize=2.2,
            alpha=0.35,
            zorder=2,
            rasterized=len(runs) > VECTORS,
            **look,
        )
        ax.plot(*mean.T, style["linestyle"], zorder=3, **look)
        ax.plot(*mean[-1:].T, style["marker"], **{**look, "markeredgecolor": "white", "markeredgewidth": 0.5}, zorder=4)
    if geodesic is None:
        ax.plot(*np.mean(starts, axis=0)[:, None], "o", color="none", markeredgecolor="black", markersize=7, zorder=5)
        return
    ax.plot(*geodesic.T, ":", color="black", linewidth=0.9, zorder=1)
    for end, name, below in (geodesic[0], "$P_0$", False), (geodesic[-1], "$P_*$", True):
        ax.plot(*end[:, None], "D", color="black", markersize=3.5, zorder=6)
        ax.text(
            *end,
            f"\n{name}" if below else f"{name}\n",
            fontsize=8,
            ha="center",
            va="top" if below else "bottom",
            linespacing=0.7,
            zorder=6,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )


def stress_text(explained: np.ndarray | None, count: int) -> str:
    """Return in words how much stress 1 to `count` axes explain; an empty text where that is not known."""
    shares = [] if explained is None else [float(share) for share in explained[:count]]
    parts = [f"{k} {'axis' if k == 1 else 'axes'} {100 * share:.0f} %" for k, share in enumerate(shares, 1)]
    return "explained stress: " + ", ".join(parts) if parts and np.isfinite(shares).all() else ""


def slanted(names: Sequence[str], width: float) -> dict:
    """Return the options under which tick labels do not overlap on an axis of `width` inches."""
    fits = max(map(len, names), default=0) * 0.065 < width / max(len(names), 1)
    return {} if fits else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}


def figure_with_legend(
    styles: dict[str, dict[str, str]],
    width: float,
    height: float,
    start: bool = False,
    layout: str | None = "constrained",
) -> Figure:
    """Return a figure of this size, in inches, under a legend of the runs and, with `start`, of the starting point."""
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
    figure.legend(
        handles,
        names,
        loc="outside upper center" if layout else "upper center",
        ncols=-(-len(names) // max(rows, 1)) or 1,
    )
    return figure


def save(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Write a figure as `<folder>/<name>.png` and `.pdf`, with its provenance in their metadata; return the paths."""
    origin = provenance.current()
    version, command, inputs = (origin.get(key) for key in ("version", "command", "inputs"))
    png = {"Software": version, "Description": command, "Source": inputs}
    # without a date the same data give the same file
    pdf = {"Creator": version, "Subject": command, "Keywords": inputs, "CreationDate": None}
    written = [Path(folder) / f"{name}.{kind}" for kind in ("png", "pdf")]

    @STYLE  # also where it is done later
    def write():
        _write(figure, written[0], {key: value for key, value in png.items() if value})
        figure.set_layout_engine("none")  # the places found for the first file serve the second
        _write(figure, written[1], pdf)

    beside.do(write)
    return written


def _write(figure, path, metadata):
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)
