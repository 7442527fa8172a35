"""Lengths do not grow with the rounding of what is stored, nor with the number of checkpoints."""

import h5py
import numpy as np
import pytest
import torch

from info_geometry import comparison, predictions, trajectory
from info_geometry.storage import quantities
from info_geometry.sums import steps
from tests.support.synthetic import labels_of, softmax

FORMATS = (*predictions.QUANTITIES, quantities.PUBLISHED)


def path_of(T, N, C, gain=6.0, rough=0.0):
    """Return one and the same path, recorded at T moments (T, N, C); rough: beside it, a random walk of this size."""
    rng = np.random.default_rng(0)
    labels, noise = labels_of(N, C), rng.standard_normal((N, C))
    walk = np.cumsum(rough / np.sqrt(T) * rng.standard_normal((T, N, C)), axis=0) if rough else np.zeros((T, 1, 1))
    return np.stack(
        [softmax((1 + t) * noise + gain * t * np.eye(C)[labels] + w) for t, w in zip(np.linspace(0, 1, T), walk)]
    )


def stored(path, models, quantity):
    if quantity != quantities.PUBLISHED:
        predictions.write(path, models, labels=labels_of(*models.shape[1:]), quantity=quantity)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=quantities.encode(models, quantity), chunks=(1, *models.shape[1:]))
    return predictions.open_trajectory(path)


@pytest.mark.parametrize("C", [5, 300])
@pytest.mark.parametrize("quantity", FORMATS)
def test_variance_of_rounding_is_what_rounding_does(tmp_path, quantity, C):
    """Against float64, for probabilities that are well above the smallest that are stored."""
    models = softmax((1.0 if "p" in quantity[:2] else 2.5) * np.random.default_rng(1).normal(size=(1, 3000, C)))
    opened = stored(tmp_path / "preds_0.h5", models, quantity)
    roots = opened.roots(dtype=np.float64)
    found = quantities.rounding_variance(opened.stored(), roots, opened).sum(axis=2).mean()
    assert found == pytest.approx(np.square(roots - np.sqrt(models)).sum(axis=2).mean(), rel=0.1)
    assert found <= quantities.rounding_bound(opened, C)


@pytest.mark.parametrize("quantity, bound", list(zip(FORMATS, (0.015, 0.015, 0.005, 0.02))))
def test_length_does_not_depend_on_how_often_it_is_recorded(tmp_path, quantity, bound):
    """Of 2,001 checkpoints, rounding alone would make up to five lengths of one."""
    for T in (21, 2001):
        models = path_of(T, 100, 10)
        length = trajectory.riemann_length(stored(tmp_path / f"preds_{T}.h5", models, quantity))
        assert length == pytest.approx(trajectory.riemann_length(models), rel=1e-3 if T == 21 else bound)


@pytest.mark.parametrize("rounded", ["in bfloat16", "in float16", "to 4 decimals"])
def test_length_of_models_that_were_rounded_before(tmp_path, rounded):
    """As softmax in half precision gives them, or a table of numbers."""
    models = path_of(1001, 100, 10)
    if rounded == "in bfloat16":
        coarse = torch.from_numpy(models).bfloat16()
    else:
        coarse = models.astype(np.float16) if rounded == "in float16" else np.round(models, 4)
    predictions.write(tmp_path / "preds_0.h5", coarse, labels=labels_of(100, 10))
    opened = predictions.open_trajectory(tmp_path / "preds_0.h5")
    assert opened.attributes["rounded"] == rounded
    found, truth = trajectory.summarise(opened, opened.labels), trajectory.riemann_length(models)
    assert found.length == pytest.approx(truth, rel=0.03) and (1 + found.rounding) * found.length > 1.02 * truth
    exact = tmp_path / "preds_1.h5"
    predictions.write(exact, models[:3], labels=labels_of(100, 10))
    assert "rounded" not in predictions.open_trajectory(exact).attributes


@pytest.mark.parametrize("T", [61, 201])
def test_length_of_a_compact_file_of_many_classes(tmp_path, T):
    models = path_of(T, 20, 1000, gain=12)
    opened = stored(tmp_path / "preds_0.h5", models, "fourth_root_8bit")
    found = trajectory.summarise(opened, opened.labels)
    assert found.rounding > (0.03 if T == 61 else 0.3), "a test of nothing"
    assert found.length == pytest.approx(trajectory.riemann_length(models), rel=5e-3)
    assert found.length == pytest.approx(trajectory.riemann_length(opened), rel=1e-9)


@pytest.mark.parametrize("quantity", predictions.QUANTITIES)
def test_rough_paths_keep_their_corners(tmp_path, quantity):
    models = path_of(101, 100, 10, rough=2.0)
    opened = stored(tmp_path / "preds_0.h5", models, quantity)
    found = trajectory.summarise(opened, opened.labels)
    assert len(found.knots) == 101 and found.length == pytest.approx(trajectory.riemann_length(models), rel=1e-3)


def test_steps_far_above_rounding_are_taken_as_they_are(tmp_path, monkeypatch):
    opened = stored(tmp_path / "preds_0.h5", path_of(9, 50, 10), "sqrt_probability")
    monkeypatch.setattr(steps, "_noise", None)
    found = trajectory.summarise(opened, opened.labels)
    assert np.array_equal(found.resolved, found.steps) and found.rounding == 0


def test_models_that_stand_still_are_no_length(tmp_path):
    models = path_of(3, 50, 10)[[0, 0, 1, 1, 1, 2]]
    opened = stored(tmp_path / "preds_0.h5", models, "fourth_root_8bit")
    length = trajectory.riemann_length(opened.select([0, 2, 5]))
    assert trajectory.riemann_length(opened) == pytest.approx(length, rel=1e-3)
    assert trajectory.riemann_length(opened.select([0, 1])) == 0


def test_sums_over_groups_are_cleaned_alike(tmp_path):
    opened = stored(tmp_path / "preds_0.h5", path_of(61, 60, 100), "fourth_root_8bit")
    one = trajectory.summarise(opened, opened.labels)
    several = trajectory.summarise(opened, opened.labels, groups=np.arange(60) % 7)
    assert np.array_equal(one.knots, several.knots) and len(one.knots) < 61
    np.testing.assert_allclose(several.group_steps.sum(axis=0) / 60, one.resolved, rtol=1e-6)
    weights = np.full((1, 7), 1 / 60)
    assert several.replicates(weights) == pytest.approx([one.length], rel=1e-6)


def test_joined_steps_keep_both_ends():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 8, 20):
        for _ in range(20):
            small = rng.random(count) < 0.5
            kept = steps._join(np.arange(count + 1), small)
            assert kept[0] == 0 and kept[-1] == count and np.diff(kept).max() <= 3
            assert (len(kept) < count + 1) == (small.any() and count > 1)


def test_a_length_that_rounding_would_make_longer_is_said(tmp_path, caplog):
    fine, coarse = (stored(tmp_path / f"preds_{T}.h5", path_of(T, 40, 100), "fourth_root_8bit") for T in (201, 6))
    comparison.summarise_all([fine, coarse])
    [said] = [record.getMessage() for record in caplog.records]
    assert (
        said.startswith(f"warning: {fine.name}: ") and "steps are finer than what is stored (fourth_root_8bit)" in said
    )
