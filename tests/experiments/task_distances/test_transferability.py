"""Scores of transferability against their definitions, evaluated slowly, and what does not change them."""

import math

import numpy as np
import pytest
import scipy.optimize
from sklearn.covariance import ledoit_wolf

from experiments.task_distances import transferability as scores
from info_geometry.files import InputError

SEEDS = range(3)


def problem(seed, N=24, F=4, C=3):
    """Return features (N, F) that tell something of labels (N,), and predictions (N, 5)."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(C), rng.integers(C, size=N - C)])
    X = rng.standard_normal((C, F))[y] + rng.standard_normal((N, F)) @ rng.standard_normal((F, F)) + 1
    logits = 2 * rng.standard_normal((C, 5))[y] + rng.standard_normal((N, 5))
    P = np.exp(logits)
    return X, y, P / P.sum(axis=1, keepdims=True)


def rotation(F, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((F, F)))[0]


FEATURES = {
    "log_me": scores.log_me,
    "h_score": scores.h_score,
    "h_score, shrunk": lambda X, y: scores.h_score(X, y, 0.3),
    "h_score, ledoit_wolf": lambda X, y: scores.h_score(X, y, "ledoit_wolf"),
}
PREDICTIONS = {"leep": scores.leep, "nce": scores.nce}


@pytest.mark.parametrize("shape", [(24, 4), (12, 12), (8, 15)])
@pytest.mark.parametrize("seed", SEEDS)
def test_log_me_is_the_largest_evidence_of_the_model(seed, shape):
    """The density of y under N(0, I / beta + X X' / alpha), maximised over alpha and beta from several starts."""
    X, y, _ = problem(seed, *shape)
    N, total = len(X), 0.0
    for target in np.eye(3)[y].T:

        def minus(theta, target=target):
            alpha, beta = np.exp(theta)
            covariance = np.eye(N) / beta + X @ X.T / alpha
            squares = target @ np.linalg.solve(covariance, target)
            return (squares + np.linalg.slogdet(covariance)[1] + N * math.log(2 * math.pi)) / 2

        starts = [(a, b) for a in (-2, 2, 6, 28) for b in (0, 3)]
        bounds = [(-15, 30), (-15, 18)]
        found = [scipy.optimize.minimize(minus, s, method="Nelder-Mead", bounds=bounds, tol=1e-9) for s in starts]
        total -= min(each.fun for each in found)
    assert scores.log_me(X, y) == pytest.approx(total / N / 3, abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_log_me_is_where_the_published_iteration_ends(seed):
    """alpha = gamma / |m|^2, beta = (N - gamma) / |X m - y|^2, gamma = sum beta s^2 / (alpha + beta s^2)."""
    X, y, _ = problem(seed)
    N, F = X.shape
    found = []
    for c in range(3):
        target, alpha, beta = (y == c).astype(float), 1.0, 1.0
        for _ in range(2000):
            A = alpha * np.eye(F) + beta * X.T @ X
            m = beta * np.linalg.solve(A, X.T @ target)
            gamma = F - alpha * np.trace(np.linalg.inv(A))
            alpha, beta = gamma / (m @ m), (N - gamma) / np.square(X @ m - target).sum()
        A = alpha * np.eye(F) + beta * X.T @ X
        m = beta * np.linalg.solve(A, X.T @ target)
        found.append(
            N / 2 * math.log(beta / 2 / math.pi)
            + F / 2 * math.log(alpha)
            - beta / 2 * np.square(X @ m - target).sum()
            - alpha / 2 * m @ m
            - np.linalg.slogdet(A)[1] / 2
        )
    assert scores.log_me(X, y) == pytest.approx(np.mean(found) / N, abs=1e-6)


def test_log_me_of_features_that_say_nothing_or_everything():
    _, y, _ = problem(0, 30)
    shares = np.bincount(y) / 30
    nothing = np.mean([-0.5 * (math.log(2 * math.pi * p) + 1) for p in shares])
    assert scores.log_me(np.zeros((30, 4)), y) == pytest.approx(nothing, abs=1e-9)
    assert scores.log_me(np.eye(3)[y], y) == math.inf
    assert nothing <= scores.log_me(np.ones((30, 2)), y) < scores.log_me(np.eye(3)[y] + problem(1, 30)[0][:, :3] / 9, y)


@pytest.mark.parametrize("seed", SEEDS)
def test_h_score_is_its_definition(seed):
    X, y, _ = problem(seed)
    S = np.cov(X.T, bias=True)
    G = np.cov(np.stack([X[y == y[n]].mean(axis=0) for n in range(len(y))]).T, bias=True)
    assert scores.h_score(X, y) == pytest.approx(np.trace(np.linalg.inv(S) @ G), rel=1e-9)
    for alpha in (0.0, 0.3, 1.0):
        shrunk = (1 - alpha) * S + alpha * np.trace(S) / 4 * np.eye(4)
        expected = (1 - alpha) * np.trace(np.linalg.inv(shrunk) @ G)
        assert scores.h_score(X, y, alpha) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", [(24, 4), (8, 15)])
def test_shrinkage_is_that_of_scikit_learn(shape):
    X, y, _ = problem(0, *shape)
    covariance, alpha = ledoit_wolf(X)
    assert scores.ledoit_wolf(X) == pytest.approx(alpha, rel=1e-9)
    means = np.stack([X[y == c].mean(axis=0) for c in range(3)])[y]
    expected = (1 - alpha) * np.trace(np.linalg.inv(covariance) @ np.cov(means.T, bias=True))
    assert scores.h_score(X, y, "ledoit_wolf") == pytest.approx(expected, rel=1e-8)


def test_h_score_of_features_that_say_nothing_or_everything():
    X, y, _ = problem(0)
    assert scores.h_score(np.ones((24, 4)), y) == 0
    assert scores.h_score(np.eye(3)[y], y) == pytest.approx(2)
    assert scores.h_score(np.column_stack([X, X[:, :1], np.ones(24)]), y) == pytest.approx(scores.h_score(X, y))
    assert scores.h_score(X @ np.random.default_rng(0).standard_normal((4, 4)), y) == pytest.approx(
        scores.h_score(X, y)
    )
    assert 0 <= scores.h_score(X, y) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_leep_and_nce_are_sums_over_samples(seed):
    _, y, P = problem(seed)
    N, total, conditional = len(y), 0.0, 0.0
    z = P.argmax(axis=1)
    for n in range(N):
        likelihood = 0.0
        for k in range(5):
            joint = sum(P[m, k] for m in range(N) if y[m] == y[n]) / N
            likelihood += joint / (sum(P[m, k] for m in range(N)) / N) * P[n, k]
        total += math.log(likelihood) / N
        alike = [m for m in range(N) if z[m] == z[n]]
        conditional += math.log(sum(y[m] == y[n] for m in alike) / len(alike)) / N
    assert scores.leep(P, y) == pytest.approx(total, rel=1e-12)
    assert scores.nce(P, y) == scores.nce(z, y) == pytest.approx(conditional, rel=1e-12)
    assert scores.leep(np.eye(5)[z], y) == pytest.approx(scores.nce(z, y), rel=1e-12)


def test_leep_and_nce_of_sources_that_say_nothing_or_everything():
    y = problem(0)[1]
    shares = np.bincount(y) / len(y)
    entropy = -(shares * np.log(shares)).sum()
    assert scores.leep(np.full((24, 5), 0.2), y) == pytest.approx(-entropy)
    assert scores.nce(np.zeros(24, int), y) == pytest.approx(-entropy)
    assert scores.leep(np.eye(7)[2 * y], y) == 0 and scores.nce(2 * y, y) == 0


@pytest.mark.parametrize("name", FEATURES)
def test_order_names_and_rotations_do_not_matter(name):
    score, (X, y, _) = FEATURES[name], problem(4)
    order, expected = np.random.default_rng(1).permutation(len(y)), FEATURES[name](X, y)
    for features, labels in ((X[order], y[order]), (X, np.array([7, -2, 3])[y]), (X @ rotation(4), y)):
        assert score(features, labels) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_order_and_names_of_both_kinds_of_classes_do_not_matter(name):
    score, (_, y, P) = PREDICTIONS[name], problem(4)
    order, expected = np.random.default_rng(1).permutation(len(y)), PREDICTIONS[name](P, y)
    for predictions, labels in ((P[order], y[order]), (P, np.array([7, -2, 3])[y]), (P[:, [3, 1, 0, 4, 2]], y)):
        assert score(predictions, labels) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("score", [*FEATURES.values(), *PREDICTIONS.values()], ids=[*FEATURES, *PREDICTIONS])
def test_labels_that_are_refused(score):
    X = problem(0)[2]
    for labels, message in (
        (np.ones(24, int), "all 24 labels are 1: a task of one class"),
        (np.arange(23), "labels are int64 of shape .23,.; expected 24"),
        (np.linspace(0, 1, 24), "labels are float64"),
    ):
        with pytest.raises(InputError, match=message):
            score(X, labels)


@pytest.mark.parametrize("score", FEATURES.values(), ids=FEATURES)
def test_features_that_are_refused(score):
    X, y, _ = problem(0)
    for features, message in (
        (np.where(np.arange(4) == 2, np.nan, X), "24 of 96 features are not finite"),
        (X[:, 0], "features are float64 of shape .24,."),
        (X[:, :0], "expected numbers .N, F."),
        (X.astype(str), "expected numbers"),
    ):
        with pytest.raises(InputError, match=message):
            score(features, y)


def test_an_h_score_of_too_few_samples_is_refused():
    X, y, _ = problem(0, 8, 15)
    with pytest.raises(InputError, match=r"8 samples are too few for features that vary in 7 directions.*ledoit_wolf"):
        scores.h_score(X, y)
    assert 0 < scores.h_score(X, y, "ledoit_wolf") < 2 and math.isfinite(scores.log_me(X, y))
    for shrinkage in ("oas", -0.1, 1.5, math.nan):
        with pytest.raises(InputError, match="expected a number from 0 to 1, 'ledoit_wolf' or None"):
            scores.h_score(X, y, shrinkage)


@pytest.mark.parametrize("score", PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions_that_are_refused(score):
    _, y, P = problem(0)
    for predictions in (P * 2, np.where(P > 0.9, np.nan, P), P - 0.1, P[:, 0], P.astype(str)):
        with pytest.raises(InputError, match="probabilities"):
            score(predictions, y)
