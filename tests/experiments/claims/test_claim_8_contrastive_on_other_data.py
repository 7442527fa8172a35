"""Claim 8 of contrastive runs that go one way on both sub-tasks, and of such that go two."""

import pytest

from experiments.claims import claim_8_contrastive_on_other_data as claim
from experiments.claims.runs import CONTRASTIVE, SUB_TASKS
from tests.experiments.claims.synthetic import detour, write


def put(runs, folder, ways):
    """Put contrastive runs into the runs, as if fitted temperatures were 1; all end midway, where ways differ."""
    for task in SUB_TASKS:
        runs.supervised[task] = runs.fitted[task] = [x.select(range(4)) for x in runs.fitted[task][:3]]
    for method in CONTRASTIVE:
        for task, way in zip(SUB_TASKS, ways):
            name = f"{task}_{method}"
            seeds = [write(folder, f"fashion_{name}", seed, way).select(range(4)) for seed in (5, 6, 7)]
            runs.contrastive[name] = runs.fitted[name] = seeds


def test_one_way_or_two(tmp_path, runs):
    put(runs, tmp_path / "one", (detour(0), detour(0)))
    assert claim.measure(runs).verdict == "holds"
    put(runs, tmp_path / "two", (4 * detour(1), 4 * detour(2)))
    assert claim.measure(runs).verdict == "does not hold"


def test_who_learns_little_is_near_itself_but_not_at_equal_progress(tmp_path, runs):
    put(runs, tmp_path, (detour(0), detour(0)))
    for method in CONTRASTIVE:
        for task in SUB_TASKS:  # supervised learning, stopped early
            early = [x.select(range(2)) for x in runs.fitted[task]]
            runs.contrastive[f"{task}_{method}"] = runs.fitted[f"{task}_{method}"] = early
    found = claim.measure(runs)
    assert found.verdict == "undecided" and "SimCLR: ends -" in found.value
    mine, others = ([runs.fitted[task + name] for task in SUB_TASKS] for name in ("_simclr", ""))
    at, (apart, same) = claim.at_equal_progress(mine, others)
    assert 0 < at < 1 and apart == pytest.approx(same)


def test_no_common_progress(tmp_path, runs):
    late = write(tmp_path, "fashion_late", 5, detour(0)).select([4, 5])
    early = write(tmp_path, "fashion_early", 5, detour(0)).select([0, 1])
    at, values = claim.at_equal_progress([[late], [late]], [[early], [early]])
    assert at != at and values == pytest.approx((float("nan"),) * 2, nan_ok=True)
