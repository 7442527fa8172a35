"""The ranking of sources as a table, as CSV and in words."""

import csv
import io

import numpy as np
import pytest

from experiments.task_distances.choosing import ranking
from experiments.task_distances.choosing.scores import SCORES

SOURCES = "first", "second", "third"


def values(**changes):
    """Return values by which the last source is the best, as large as it is."""
    found = {name: score.better(np.array([1.0, 2.0, 3.0])) for name, score in SCORES.items()}
    return found | {name: np.array(each, float) for name, each in changes.items()}


def test_table_has_the_best_mean_rank_first():
    lines = ranking.table(SOURCES, values(log_me=[3, 1, np.inf])).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["third", "second", "first"]
    assert "inf (1)" in lines[1] and "  own accuracy  " in lines[0]
    assert len({len(line) for line in lines}) == 1


def test_csv_holds_what_the_table_holds():
    given = values(log_me=[2, 2, 1])
    rows = list(csv.DictReader(io.StringIO(ranking.as_csv(SOURCES, given))))
    assert [row["source"] for row in rows] == list(SOURCES)
    for name, each in given.items():
        assert [float(row[name]) for row in rows] == each.tolist()
    assert [float(row["rank_by_log_me"]) for row in rows] == [1.5, 1.5, 3]
    assert float(rows[2]["mean_rank"]) == pytest.approx((7 * 1 + 3) / 8)


def test_words_name_what_measurements_found_best():
    told = ranking.said(SOURCES, values(log_me=[1, 5, 2], parameters=[4, 4, 1]))
    assert told.startswith("Start from second: LogME says so")
    assert "it is third" in told and "first or second (parameters)" in told
    alike = ranking.said(SOURCES, values(log_me=[1, 5, 2], parameters=[4, 4, 4]))
    assert "(parameters)" not in alike and "(own accuracy)" in alike
