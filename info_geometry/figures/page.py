"""The InPCA picture as one self-contained page, `inpca.html`: turn it, choose axes and colours, play training.

The page is `page.html` with plotly.js and the data put in; it needs no network and no server.
"""

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from info_geometry.figures import provenance, style
from info_geometry.files import atomic_path

TEMPLATE = Path(__file__).with_name("page.html")
MODELS = 5000  # at most: a phone turns these fluently, and with plotly.js the file stays below 6 MB
DIGITS = 5  # of a coordinate
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
) -> list[Path]:
    """Write `<folder>/inpca.html`; return [its path].

    coordinates (M, k), eigenvalues (n,) and imaginary (n,), n >= k.  index: a dict of arrays (M,), one entry a model:
    run, seed, checkpoint, t and, where known, accuracy, progress and progress_bhattacharyya.
    explained: stress of 1, 2, ... axes, or None.
    marks: None, or (progress (S,), coordinates (S, k)) of the geodesic from ignorance to truth.
    Of more than 5,000 models, some of the trajectories and of their checkpoints are shown, and the page says so.
    """
    from plotly.offline import get_plotlyjs  # takes a second, and other figures do without

    coordinates, imaginary = np.asarray(coordinates, float), np.asarray(imaginary, bool)
    trajectories, note = _thinned(_trajectories(index))
    runs, models = np.asarray(index["run"]).astype(str), sum(map(len, trajectories))
    styles, names = style.colours(runs), style.short_names(runs)
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
        "trajectories": [
            {"run": numbers[runs[rows[0]]], **_trajectory(coordinates, index, rows)} for rows in trajectories
        ],
        "marks": marks and {"progress": _short(marks[0]), "points": _short(marks[1])},
        "eigenvalues": _short(eigenvalues[:30]),
        "imaginary": imaginary[:30].tolist(),
        "stress": style.stress_text(explained, 5),
        "total": _total(eigenvalues, explained),
        "made": ", ".join(origin.values()),
        "what": f"{models:,} models in {len(trajectories)} trajectories" + note,
    }
    title = f"{name}: trajectories of networks in prediction space"
    meta = "\n".join(f'<meta name="{key}" content="{html.escape(value)}">' for key, value in origin.items())
    # "<" could end the script element that holds the data
    parts = {
        "TITLE": html.escape(title),
        "META": meta,
        "PLOTLY": get_plotlyjs(),
        "DATA": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    text = re.sub("@([A-Z]+)@", lambda name: parts[name[1]], TEMPLATE.read_text(encoding="utf-8"))
    path = Path(folder) / "inpca.html"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [path]


def _total(eigenvalues, explained):
    """Return the sum of the squares of all eigenvalues, which the stress of the first axis tells, or None."""
    if explained is None or not len(explained) or not np.isfinite(explained[0]) or not explained[0] > 0:
        return None
    return float(f"{eigenvalues[0] ** 2 / (1 - (1 - explained[0]) ** 2):.{DIGITS}g}")


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


def _trajectory(coordinates, index, rows):
    """Return what the page holds of the models in these rows, which are one trajectory."""
    times = np.asarray(index["t"], float)[rows].tolist()
    keys = ("accuracy", "progress", "progress_bhattacharyya")
    known = {key: _short(index[key][rows]) for key in keys if index.get(key) is not None}
    return {
        "seed": int(index["seed"][rows[0]]),
        "checkpoint": np.asarray(index["checkpoint"])[rows].tolist(),
        "t": [int(t) if t.is_integer() and abs(t) < 2**53 else t for t in times],  # as they were given
        "points": _short(coordinates[rows]),
        **known,
    }


def _short(values):
    """Return an array as (nested) lists of numbers of a few digits; what is not finite becomes None."""
    values = np.asarray(values, float)
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in values]
