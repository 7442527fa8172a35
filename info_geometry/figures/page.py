"""The InPCA picture as one self-contained page, `inpca.html`: turn it, choose axes and colours, play training.

The page is `page.html` with its scripts, plotly.js and the data put in; it needs no network and no server.  More than
5,000 models or 100 trajectories are drawn by `cloud.js` instead of plotly, which is slow for so many.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from info_geometry.figures import page_data, provenance, style
from info_geometry.figures.page_data import short
from info_geometry.files import InputError, atomic_path

TEMPLATE = "page.html"
PAGE = "page.js", "page_controls.js"
CLOUD = "cloud_models.js", "cloud_box.js", "cloud_pointer.js", "cloud.js"
FEW, LINES = 5000, 100  # models and trajectories that plotly draws, in a file below 6 MB
MODELS = 200_000  # at most: the file stays below 20 MB
DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
SYMBOLS = {"o": "circle", "s": "square", "D": "diamond", "X": "x"}


def write(
    folder: str | Path,
    coordinates: np.ndarray,
    eigenvalues: np.ndarray,
    imaginary: np.ndarray,
    index: dict,
    explained: Sequence[float] | None = None,
    marks: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    name: str = "InPCA",
    t_name: str = "t",
    colours: Mapping[str, Mapping[str, object]] | None = None,
    first: str = page_data.TASK,
) -> list[Path]:
    """Write `<folder>/inpca.html`; return [its path].

    coordinates (M, k), eigenvalues (n,) and imaginary (n,), n >= k.  index: a dict of arrays (M,), one entry a model:
    run, seed, checkpoint, t and, where known, accuracy, progress and progress_bhattacharyya.  These, and any other
    column of numbers or of text with up to 8 levels, such as network or optimiser, are offered as colours.
    explained: stress of 1, 2, ... axes, or None.
    marks: None, or (progress (S,), coordinates (S, k)) of the geodesic from ignorance to truth.
    colours: {column of text: {level: colour of matplotlib}}, of all its levels, of which there may be more than 8.
    first: what is coloured first, a column, "seed" or "task", which is the run.
    Of more than 200,000 models, some of the trajectories and of their checkpoints are shown, and the page says so.

    Raises InputError for a column named task, for colours that do not fit the index, and for another `first`.
    """
    from plotly.offline import get_plotlyjs  # takes a second, and other figures do without

    coordinates, imaginary = np.asarray(coordinates, float), np.asarray(imaginary, bool)
    trajectories, note = _thinned(_trajectories(index))
    runs, models = np.asarray(index["run"]).astype(str), sum(map(len, trajectories))
    styles, names, columns = style.colours(runs), style.short_names(runs), page_data.columns(index, colours)
    offered = [page_data.TASK, "seed", *(column["key"] for column in columns)]
    if first not in offered:
        raise InputError(f"first: {first!r} is no colour of the page; it offers {', '.join(map(repr, offered))}")
    many = models > FEW or len(trajectories) > LINES
    numbers = {run: number for number, run in enumerate(styles)}
    origin = provenance.current()
    data = {
        "axes": [f"InPC {k + 1}" + (" (imaginary)" if imaginary[k] else "") for k in range(coordinates.shape[1])],
        "palette": style.PALETTE,
        "t_name": t_name,
        "runs": [
            {
                "name": names[run],
                "colour": look["color"],
                "dash": DASHES[look["linestyle"]],
                "symbol": SYMBOLS[look["marker"]],
            }
            for run, look in styles.items()
        ],
        "columns": columns,
        "first": first,
        "many": _many(coordinates, index, columns, trajectories) if many else None,
        "trajectories": [
            {"run": numbers[runs[rows[0]]], "seed": int(index["seed"][rows[0]])}
            | ({"size": len(rows)} if many else _trajectory(coordinates, index, columns, rows))
            for rows in trajectories
        ],
        "marks": marks and {"progress": short(marks[0]), "points": short(marks[1])},
        "eigenvalues": short(eigenvalues[:30]),
        "imaginary": imaginary[:30].tolist(),
        "stress": style.stress_text(explained, 5),
        "total": _total(eigenvalues, explained),
        "made": ", ".join(origin.values()),
        "what": f"{models:,} models in {len(trajectories):,} trajectories" + note,
    }
    title = f"{name}: trajectories of networks in prediction space"
    meta = "\n".join(f'<meta name="{key}" content="{html.escape(value)}">' for key, value in origin.items())
    # "<" could end the script element that holds the data
    parts = {
        "TITLE": html.escape(title),
        "META": meta,
        "PLOTLY": get_plotlyjs(),
        "CLOUD": _texts(CLOUD) if many else "",
        "PAGE": _texts(PAGE),
        "DATA": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    text = re.sub("@([A-Z]+)@", lambda name: parts[name[1]], _texts([TEMPLATE]))
    path = Path(folder) / "inpca.html"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [path]


def _texts(names):
    """Return what stands in files beside this one, one after the other."""
    return "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def _total(eigenvalues, explained):
    """Return the sum of the squares of all eigenvalues, which the stress of the first axis tells, or None."""
    if explained is None or not len(explained) or not np.isfinite(explained[0]) or not explained[0] > 0:
        return None
    return short(eigenvalues[0] ** 2 / (1 - (1 - explained[0]) ** 2))


def _trajectories(index):
    """Return the rows of each trajectory, in the order of its checkpoints."""
    runs, seeds = np.asarray(index["run"]).astype(str), np.asarray(index["seed"])
    _, first, number = np.unique(runs, return_index=True, return_inverse=True)
    appearance = first[number]
    order = np.lexsort((index["checkpoint"], seeds, appearance))
    return np.split(order, np.flatnonzero(np.diff(appearance[order]) | np.diff(seeds[order])) + 1)


def _thinned(trajectories):
    """Return trajectories with at most MODELS models together, evenly chosen with their ends, and what to say of it."""
    models, count = sum(map(len, trajectories)), len(trajectories)
    if models <= MODELS:
        return trajectories, ""
    few = count <= MODELS // 10
    kept = trajectories if few else [trajectories[i] for i in np.linspace(0, count - 1, MODELS // 10).astype(int)]
    size = MODELS // len(kept)
    thin = [rows if len(rows) <= size else rows[np.linspace(0, len(rows) - 1, size).astype(int)] for rows in kept]
    return thin, f" are shown, of {models:,} in {count:,}"


def _trajectory(coordinates, index, columns, rows):
    """Return what the page holds of the models in these rows, which are one trajectory."""
    times = np.asarray(index["t"], float)[rows].tolist()
    return {
        "checkpoint": np.asarray(index["checkpoint"])[rows].tolist(),
        "t": [page_data.exact(t) for t in times],
        "points": short(coordinates[rows]),
        "values": {
            column["key"]: short(
                page_data.codes(np.asarray(index[column["key"]])[rows], column), page_data.digits(column)
            )
            for column in columns
        },
    }


def _many(coordinates, index, columns, trajectories):
    """Return the models of all trajectories, one after the other: coordinates by axis, and columns."""
    rows, known = np.concatenate(trajectories), {}
    for column in columns:
        values = page_data.codes(np.asarray(index[column["key"]])[rows], column)
        known[column["key"]] = page_data.packed(values, column["low"], max(column["high"], column["low"]))
    return {
        "points": [page_data.packed(x, float(x.min()), float(x.max())) for x in coordinates[rows].T],
        "checkpoint": page_data.listed(np.asarray(index["checkpoint"])[rows]),
        "t": page_data.listed(np.asarray(index["t"])[rows]),
        "columns": known,
    }
