"""Labels: given in any way that is meant, compared by themselves, and what chance gives for them."""

import numpy as np
import pytest
import torch

from info_geometry import distance, predictions
from info_geometry.files import InputError
from info_geometry.storage.labels import as_labels, read_labels, right_by_chance
from tests.support.synthetic import labels_of, random_models

LABELS = labels_of(60, 5)


@pytest.mark.parametrize("given", [LABELS.tolist(), LABELS / 1, LABELS.astype("u1"), torch.tensor(LABELS)])
def test_whole_numbers_of_any_kind(given):
    found = as_labels(given, "mine", 60, 5)
    assert found.dtype == np.int64 and (found == LABELS).all()


@pytest.mark.parametrize("text", ["0\n3\n1\n", "0 3 1", "0,3,1\n"])
def test_texts_are_read(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)
    assert read_labels(tmp_path / "labels.txt").tolist() == [0, 3, 1]
    assert read_labels(tmp_path / "none.txt") is None


def sure(predicted, C, confidence):
    """Probabilities (N, C) that give the predicted classes (N,) this much."""
    rows = np.full((len(predicted), C), (1 - confidence) / (C - 1))
    rows[np.arange(len(predicted)), predicted] = confidence
    return rows


def test_chance_is_the_mean_over_other_orders():
    rng = np.random.default_rng(0)
    predicted, labels = rng.choice(3, 200, p=[0.6, 0.3, 0.1]), rng.choice(3, 200, p=[0.5, 0.25, 0.25])
    _, chance, _ = right_by_chance(sure(predicted, 3, 0.9), labels)
    drawn = [np.mean(predicted == rng.permutation(labels)) for _ in range(2000)]
    assert abs(chance - np.mean(drawn)) < 4 * np.std(drawn) / np.sqrt(2000)


def test_a_sure_model_in_another_order_is_doubted_and_others_are_not():
    rng = np.random.default_rng(1)
    labels = labels_of(400, 2)
    right = np.where(rng.random(400) < 0.65, labels, 1 - labels)
    assert not right_by_chance(sure(right, 2, 0.8), labels)[2], "better than chance"
    assert right_by_chance(sure(rng.permutation(right), 2, 0.8), labels)[2]
    assert not right_by_chance(sure(rng.permutation(right), 2, 0.52), labels)[2], "it does not say that it knows"
    assert not right_by_chance(sure(rng.permutation(right[:8]), 2, 0.9), labels[:8])[2], "too few samples to tell"


def test_labels_are_compared_themselves_by_functions_too(tmp_path):
    models = random_models(np.random.default_rng(0), 2, 60, 5)
    for name, labels in (("a", LABELS), ("b", np.roll(LABELS, 1)), ("c", None)):
        predictions.write(tmp_path / f"mine_{name}" / "preds_0.h5", models, labels=labels)
    a, b, c = (predictions.open_trajectory(tmp_path / f"mine_{name}" / "preds_0.h5") for name in "abc")
    distance.pairwise([a, c])
    for call in (lambda: distance.pairwise([a, c, b]), lambda: distance.cross([a], [b])):
        with pytest.raises(InputError, match=r"other labels at .* samples are in a different order"):
            call()
