"""Tables of lengths and distances of trajectories, as CSV: what `trajectory.py` writes, and others read."""

import csv
import itertools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from info_geometry.files import InputError, atomic_path

Pair = tuple[str, str]  # the names of two runs


def write(folder: Path, lengths: list[dict], comparison: Any) -> list[Path]:
    """Write lengths.csv, trajectories.csv and integrals.csv into a folder; return their paths.

    lengths: a dict for each trajectory, all with the same keys, which become the columns.
    comparison: a `comparison.Comparison`: distances of all pairs of tasks at equal progress, with their errors.
    """
    return [
        _write(folder / "lengths.csv", lengths),
        _write(folder / "trajectories.csv", _curve_rows(comparison)),
        _write(folder / "integrals.csv", _integral_rows(comparison)),
    ]


def read_distances(
    folder: Path, names: Iterable[str], name: str
) -> tuple[dict[Pair, float], dict[Pair, dict[float, float]]]:
    """Return the distances of the trajectories of all pairs of runs `names`, and their curves, as `write` wrote them.

        d(a, b) = integral / (to_progress - from_progress)

    {(run, run): d}: the mean Bhattacharyya distance at equal progress, over the progress that both reached, which
    differs between pairs, so that their integrals do not compare.  NaN where there is no such range.
    {(run, run): {progress: distance}}: empty there.
    name: of the picture, for messages.  Raises InputError where a table is missing, is not one, or lacks a pair.
    """
    make = f"make it with: python -m info_geometry.trajectory --name {name}"
    path, means, curves = folder / "integrals.csv", {}, {}
    for row in _rows(path, ("from_progress", "to_progress", "integral"), make):
        width = row["to_progress"] - row["from_progress"]
        means[row["pair"]] = row["integral"] / width if width > 0 else math.nan
    for row in _rows(folder / "trajectories.csv", ("progress", "distance"), make):
        curves.setdefault(row["pair"], {})[row["progress"]] = row["distance"]
    pairs = list(itertools.combinations(dict.fromkeys(map(str, names)), 2))
    missing = [pair for pair in pairs if frozenset(pair) not in means]
    if missing:
        raise InputError(
            f"{path} does not compare {missing[0][0]} and {missing[0][1]}, which the embedding {name} "
            "shows; run inpca.py and trajectory.py with the same runs"
        )
    return ({pair: means[frozenset(pair)] for pair in pairs}, {pair: curves.get(frozenset(pair), {}) for pair in pairs})


def _rows(path, columns, make):
    """Return the rows of a table of pairs of runs: dicts of these columns, and of `pair`."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {"pair": frozenset((row["run_a"], row["run_b"])), **{key: _number(row[key]) for key in columns}}
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {make}") from None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path} is not a table of distances of runs with the columns run_a, run_b, "
            f"{', '.join(columns)} ({error!r}); {make} --redo"
        ) from None


def _number(cell):
    """Return the number in a cell of a table; nothing stands for NaN."""
    return math.nan if cell == "" else float(cell)


def _write(path, rows):
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["run_a", "run_b"])
        writer.writeheader()
        writer.writerows(
            {key: ("" if np.isnan(v) else f"{v:.8g}") if isinstance(v, float) else v for key, v in row.items()}
            for row in rows
        )
    return path


def _curve_rows(comparison):
    """Return a row for each pair and value of progress; the error for other seeds is known at every 5th value."""
    return [
        {
            "run_a": a,
            "run_b": b,
            "progress": float(s),
            "distance": float(curve[i]),
            **{f"error_for_other_{cause}": float(curves[a, b][i]) for cause, (curves, _) in comparison.errors.items()},
        }
        for (a, b), curve in comparison.curves.items()
        for i, s in enumerate(comparison.grid)
        if not np.isnan(curve[i])
    ]


def _integral_rows(comparison):
    """Return a row a pair: integrals cover the progress that both tasks reached, which differs between pairs.

    Where there is none, the cells are empty.
    """
    rows, means = [], comparison.means()
    for (i, a), (j, b) in itertools.combinations(enumerate(comparison.tasks), 2):
        common = comparison.grid[~np.isnan(comparison.curves[a, b])]
        rows.append(
            {
                "run_a": a,
                "run_b": b,
                "from_progress": float(common[0]) if len(common) else math.nan,
                "to_progress": float(common[-1]) if len(common) else math.nan,
                "integral": float(comparison.integrals[i, j]),
                "mean_distance": float(means[i, j]),
                **{f"error_for_other_{cause}": float(matrix[i, j]) for cause, (_, matrix) in comparison.errors.items()},
            }
        )
    return rows
