"""Scores of a source against slow versions of their definitions, and what does not change them."""

import numpy as np
import pytest
import torch

from experiments.task_distances import distances
from experiments.task_distances.choosing import scores
from info_geometry import distance
from info_geometry.files import InputError
from learning import imprint
from learning.imprinting import Imprinting

SEEDS = range(3)


def problem(seed, N=30, F=6, C=3):
    """Return features (N, F) that tell something of labels (N,), 5 to 8, and predictions (N, 4)."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.repeat(np.arange(C), 2), rng.integers(C, size=N - 2 * C)])
    X = rng.standard_normal((C, F))[y] + 1.5 * rng.standard_normal((N, F)) + 1
    P = np.exp(rng.standard_normal((C, 4))[y] + rng.standard_normal((N, 4)))
    return X, P / P.sum(axis=1, keepdims=True), y + 5


@pytest.mark.parametrize("seed", SEEDS)
def test_each_image_is_predicted_by_what_all_others_imprint(seed):
    X, _, y = problem(seed)
    expected, how = [], Imprinting("cosine", scores.SCALE)
    for n in range(len(X)):
        others = np.arange(len(X)) != n
        training = torch.from_numpy(X[others]), torch.from_numpy(y[others] - 5)
        means = imprint.prototypes(*training, 3)
        expected.append(imprint.probabilities(torch.from_numpy(X[n : n + 1]), means, how.rule, how.scale)[0].numpy())
    np.testing.assert_allclose(np.exp(scores.left_out(X, y)), expected, rtol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_prediction_distance_is_the_mean_d_b_to_the_truth(seed):
    X, P, y = problem(seed)
    predicted = np.exp(scores.left_out(X, y))
    truth = np.eye(3)[y - 5]
    each = -np.log(np.sqrt(predicted * truth).sum(axis=1))
    found = scores.of_images(X, P, y)
    assert found["prediction_distance"] == pytest.approx(each.mean(), rel=1e-12)
    assert found["prediction_distance"] == pytest.approx(distance.cross([predicted], [truth])[0, 0], rel=1e-6)
    assert found["imprinting"] == np.mean(predicted.argmax(axis=1) == y - 5)


def test_imprinting_is_not_of_images_that_it_was_imprinted_with():
    """Features are noise: the accuracy is that of chance, whereas images with a part in prototypes are told apart."""
    left, taken = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((40, 50)), np.repeat([0, 1], 20)
        left.append((scores.left_out(X, y).argmax(axis=1) == y).mean())
        P, _ = imprint.of_features(torch.from_numpy(X), torch.from_numpy(y), 2, Imprinting("cosine", 10.0))
        taken.append((P.argmax(dim=1).numpy() == y).mean())
    assert np.mean(taken) > 0.8
    assert np.mean(left) < 0.5 + 3 * np.std(left) / np.sqrt(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_names_and_rotations_do_not_change_scores(seed):
    X, P, y = problem(seed)
    rng, expected = np.random.default_rng(seed + 100), scores.of_images(X, P, y)
    order = rng.permutation(len(y))
    Q = np.linalg.qr(rng.standard_normal((X.shape[1], X.shape[1])))[0]
    names = np.array([3, 9, 1])[y - 5]
    for other in (
        scores.of_images(X[order], P[order], y[order]),
        scores.of_images(X, P[:, ::-1], names),
        scores.of_images(X @ Q, P, y),
    ):
        assert other == pytest.approx(expected, rel=1e-6)


def test_better_features_have_better_scores():
    """Of features that are labels and noise, all scores but those of predictions fall with the noise."""
    rng, y = np.random.default_rng(0), np.repeat([0, 1, 2], 20)
    noise, P = rng.standard_normal((60, 10)), np.full((60, 4), 0.25)
    every = [scores.of_images(np.eye(3, 10)[y] * 3 + size * noise, P, y) for size in (0.5, 2, 8)]
    for name in ("log_me", "h_score", "imprinting", "prediction_distance"):
        values = scores.SCORES[name].better([one[name] for one in every])
        assert (np.diff(values) < 0).all(), name
    assert all(one["leep"] == pytest.approx(-np.log(3)) == one["nce"] for one in every)  # predictions tell nothing


def test_vectors_of_tasks_have_no_length():
    rng = np.random.default_rng(0)
    a, b = rng.gamma(1, size=(2, 20))
    found = scores.of_vectors(a, b)
    assert found["task2vec_symmetric"] == distances.cosine(a, b) > 0
    assert found["task2vec"] == pytest.approx(distances.cosine(a, b) - 0.15 * distances.cosine(a, np.ones(20)))
    assert scores.of_vectors(7 * a, b / 3) == pytest.approx(found, rel=1e-9)
    assert scores.of_vectors(a, 2 * a)["task2vec_symmetric"] == pytest.approx(0, abs=1e-12)


def test_complex_sources_are_nearer():
    """Of sources as far from a target, the one farther from the trivial task has the smaller asymmetric distance."""
    a = np.array([8.0, 1, 1, 1])
    near, far = scores.of_vectors(a, a), scores.of_vectors(np.ones(4), np.ones(4))
    assert near["task2vec"] < far["task2vec"] == pytest.approx(0)


def test_ranks_share_ties_and_turn_distances_round():
    values = {"log_me": np.array([2.0, 1, 2]), "task2vec": np.array([0.1, 0.3, 0.2]), "accuracy": np.array([0, 0, 1.0])}
    found = scores.ranks(values)
    assert found["log_me"].tolist() == [1.5, 3, 1.5]
    assert found["task2vec"].tolist() == [1, 3, 2]
    assert found["accuracy"].tolist() == [2.5, 2.5, 1]
    assert scores.mean_rank(values).tolist() == [1.25, 3, 1.75]  # the fixed ranking does not count


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 6, "a task of one class"),
        ([0, 0, 0, 1, 1, 2], "1 of 3 classes have one image"),
        ([0.5] * 6, "labels are"),
    ],
)
def test_labels_that_say_too_little(labels, message):
    with pytest.raises(InputError, match=message):
        scores.of_images(np.eye(6), np.full((6, 2), 0.5), np.array(labels))
