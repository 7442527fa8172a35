"""Tasks learned after each other, and beside each other: what the runs of reaching.yaml say."""

from pathlib import Path

import numpy as np

from experiments.task_distances.reaching import figures, picture
from experiments.task_distances.reaching.claims import CLAIMS
from experiments.task_distances.reaching.measured import Measured
from experiments.task_distances.reaching.reading import Files
from experiments.task_distances.section import Section
from experiments.task_distances.sizes import Size
from learning.finding import table
from learning.runs.run import Folders

TITLES = {
    "A": "A, log-determinants of two tasks at once less the first alone, nats",
    "B": "B, KL of variational networks of two tasks at once less the first alone, nats",
    "C": "C, nats beside the first network",
    "D": "D, length of the path of predictions",
}


def section(folders: Folders, seeds: tuple[int, ...], size: Size, plots: Path, verdicts: bool = True) -> Section:
    """Measure, draw, and return the Section; raise InputError where a file is missing."""
    files = Files(folders, tuple(seeds), size)
    found = files.measured()
    written = [path for draw in figures.FIGURES for path in draw(plots, found)]
    drawn = picture.draw(files)
    written += [*picture.figure(plots, drawn), *picture.html(plots, drawn)]
    if size.reach:
        written += picture.figure(plots, picture.draw(files, deep=True), "reaching_paths_of_perceptrons")
    rows, beside = table(CLAIMS, found, verdicts)
    return Section("Tasks learned after each other", rows, beside, tables(found), written)


def tables(found: Measured) -> list[str]:
    """Return tables of distances, means over seeds, and of how tasks are reached."""
    reached = found.reached
    every = {
        **{TITLES[letter]: (d.values, 0 if d.unit else 2) for letter, d in found.distances.items()},
        "A with the norms, nats": (found.determinants.distance.values + found.norms.distance.values, 0),
        "d_B between networks from scratch": (reached.static, 3),
        "R1, points of accuracy that are not reached": (100 * reached.gap, 1),
        "R2, epochs": (reached.time, 1),
        "R3, length over the shortest one": (reached.detour, 2),
        "R4, action times the epochs": (reached.action * (reached.epochs[-1] - reached.epochs[0]), 1),
    }
    words = {len(d.tasks): [task.word for task in d.tasks] for d in found.distances.values()}
    return [_matrix(title, d.mean(axis=0), words[d.shape[1]], digits) for title, (d, digits) in every.items()]


def _matrix(title: str, values: np.ndarray, words, digits: int) -> str:
    """Return the table of a matrix from rows, learned first, to columns."""
    lines = [f"{title}:", "", f"| from, to | {' | '.join(words)} |", "| --- |" + " ---: |" * len(words)]
    lines += [f"| {word} | {' | '.join(f'{value:.{digits}f}' for value in row)} |" for word, row in zip(words, values)]
    return "\n".join([*lines, ""])
