"""Runs that ended badly are named; nothing is dropped in silence."""

import logging

import pytest

from experiments.manifold import outliers
from info_geometry.files import InputError


def test_runs_above_the_error_are_left_out_and_named_the_worst_first(caplog):
    errors = {"a": 0.05, "b": 0.5, "c": 0.1, "d": float("nan"), "e": 0.2}
    with caplog.at_level(logging.WARNING):
        found = outliers.by_final_error(errors)
    assert found.kept == ("a", "c") and list(found.left_out) == ["d", "b", "e"]
    assert set(found.kept) | set(found.left_out) == set(errors)
    assert found.left_out == outliers.large(errors, 0.1) and not outliers.large(errors, 0.5).keys() - {"d"}
    assert str(found).startswith("3 of 5 runs are left out") and "d (diverged), b (0.5), e (0.2)" in caplog.text


def test_of_many_a_few_are_named(caplog):
    found = outliers.by_final_error({"good": 0.0} | {f"run{k}": 0.2 + 0.01 * k for k in range(30)})
    assert len(found.left_out) == 30 and "run29 (0.49), " in str(found) and str(found).endswith(" and 22 more")


def test_nothing_is_said_where_all_are_kept(caplog):
    found = outliers.by_final_error({"a": 0.05, "b": 0.0}, 0.05)
    assert found.kept == ("a", "b") and not found.left_out and not caplog.text
    assert str(found) == "all 2 runs ended with an error of at most 0.05"


def test_no_runs_are_refused():
    with pytest.raises(
        InputError, match=r"no run of 2 .* of at most 0.1; the best ended with 0.3, and needs more epochs"
    ):
        outliers.by_final_error({"a": 0.3, "b": float("nan")})
