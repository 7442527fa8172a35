"""The ranking of sources for a target, as a table, as CSV, and in words.  Imports no torch."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.task_distances.choosing.scores import SCORES, mean_rank, ranks

BEST = "log_me"  # it ordered sources best where scores were measured, and few lost less: README.md
SHORT = {
    "prediction_distance": "mean d_B",
    "imprinting": "imprinting",
    "task2vec": "Task2Vec",
    "task2vec_symmetric": "symmetric",
    "accuracy": "own accuracy",
    "parameters": "parameters",
}
FIXED = "parameters", "accuracy"


def table(sources: Sequence[str], values: Mapping[str, np.ndarray]) -> str:
    """Return the table of m sources, the best mean rank first: each score (m,), with the rank by it in brackets."""
    own, mean = ranks(values), mean_rank(values)
    heads = ["source", *(SHORT.get(name, SCORES[name].title) for name in values), "mean rank"]
    rows = [
        [sources[i], *(f"{_number(each[i])} ({own[name][i]:g})" for name, each in values.items()), f"{mean[i]:.2f}"]
        for i in np.argsort(mean, kind="stable")
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in [heads, *rows]
    ]
    return "\n".join(lines)


def as_csv(sources: Sequence[str], values: Mapping[str, np.ndarray]) -> str:
    """Return the same as CSV: a line a source, in their order, of scores, ranks, and the mean rank."""
    own, mean, file = ranks(values), mean_rank(values), io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["source", *values, *(f"rank_by_{name}" for name in values), "mean_rank"])
    for i, source in enumerate(sources):
        numbers = [*(each[i] for each in values.values()), *(own[name][i] for name in values), mean[i]]
        writer.writerow([source, *map(float, numbers)])
    return file.getvalue()


def said(sources: Sequence[str], values: Mapping[str, np.ndarray]) -> str:
    """Return which source to start from, in two sentences: by the score that ordered best, and by the mean rank.

    Rankings that do not look at the target are said where they tell any sources apart.
    """
    own = ranks(values)
    fixed = [f"{_least(sources, own[name])} ({SHORT[name]})" for name in FIXED if np.ptp(own[name])]
    by_best, by_mean = (_least(sources, each) for each in (own[BEST], mean_rank(values)))
    return (
        f"Start from {by_best}: {SCORES[BEST].title} says so, which ordered sources best when scores were measured.\n"
        f"By the mean rank of all scores that look at the target it is {by_mean}"
        f"{'; by what does not look at it, ' if fixed else ''}{' and '.join(fixed)}."
    )


def _least(sources, values):
    """Return the source of the least value, or those that tie."""
    return " or ".join(source for source, value in zip(sources, values) if value <= values.min() + 1e-9)


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 and np.isfinite(value) else f"{value:.3g}"
