"""Measures are their formulas, evaluated sample after sample, and what theorems say of them holds."""

import math

import numpy as np
import pytest

from experiments.subspaces import measures
from info_geometry.distance import bhattacharyya
from info_geometry.files import InputError

SEEDS = range(3)
OF_LABELS = (measures.accuracy, measures.nll, measures.brier, measures.ece)
OF_PAIRS = (measures.total_variation, measures.disagreement)
ENSEMBLES = (measures.mean_of_probabilities, measures.mean_of_logits, measures.mean_of_roots)


def made_up(seed, *shape, sharpness=2.0):
    """Return random probabilities of a shape (..., N, C), labels (N,), and the generator."""
    rng = np.random.default_rng(seed)
    powers = np.exp(sharpness * rng.standard_normal(shape))
    return powers / powers.sum(axis=-1, keepdims=True), rng.integers(0, shape[-1], shape[-2]), rng


def largest(row):
    return max(range(len(row)), key=lambda c: row[c])


def direct(P, labels, bins=20):
    """Return accuracy, nll, Brier score and calibration error of P (N, C), sample after sample."""
    right, loss, squares = 0, 0.0, 0.0
    sums = [[0.0, 0.0] for _ in range(bins)]
    for row, label in zip(P.tolist(), labels.tolist(), strict=True):
        right += largest(row) == label
        loss -= math.log(row[label])
        squares += sum((p - (c == label)) ** 2 for c, p in enumerate(row))
        b = next(b for b in range(bins) if b / bins < max(row) <= (b + 1) / bins)
        sums[b][0] += largest(row) == label
        sums[b][1] += max(row)
    N = len(P)
    return right / N, loss / N, squares / N, sum(abs(a - b) for a, b in sums) / N


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("N, C", [(200, 10), (37, 2), (1, 5)])
def test_measures_of_labels_are_their_formulas(seed, N, C):
    P, labels, _ = made_up(seed, 2, 3, N, C)
    found = [measure(P, labels) for measure in OF_LABELS]
    assert all(x.shape == (2, 3) for x in found)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose([x[i] for x in found], direct(P[i], labels), atol=1e-12)
        np.testing.assert_allclose([measure(P[i], labels) for measure in OF_LABELS], direct(P[i], labels), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bins", [1, 7, 15])
def test_numbers_of_bins(seed, bins):
    P, labels, _ = made_up(seed, 300, 4)
    assert measures.ece(P, labels, bins) == pytest.approx(direct(P, labels, bins)[3], abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_measures_of_pairs_are_their_formulas(seed):
    (P, Q), labels, rng = made_up(seed, 2, 80, 5)
    variation, differ, one_right = 0.0, 0, 0
    for p, q, label in zip(P.tolist(), Q.tolist(), labels.tolist(), strict=True):
        variation += sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
        differ += largest(p) != largest(q)
        one_right += largest(p) != largest(q) and label in (largest(p), largest(q))
    assert measures.total_variation(P, Q) == pytest.approx(variation / 80, abs=1e-12)
    assert measures.disagreement(P, Q) == differ / 80
    assert measures.disagreement_one_right(P, Q, labels) == one_right / 80
    F, G = rng.standard_normal((2, 80, 7))
    cosines = [
        sum(a * b for a, b in zip(f, g, strict=True)) / math.hypot(*f) / math.hypot(*g)
        for f, g in zip(F.tolist(), G.tolist(), strict=True)
    ]
    assert measures.feature_cosine(F, G) == pytest.approx(sum(cosines) / 80, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_ensembles_are_their_formulas(seed):
    P, _, _ = made_up(seed, 3, 20, 4)
    for n in range(20):
        rows = P[:, n].tolist()
        probabilities = [sum(row[c] for row in rows) / 3 for c in range(4)]
        powers = [math.prod(row[c] for row in rows) ** (1 / 3) for c in range(4)]
        squares = [(sum(math.sqrt(row[c]) for row in rows) / 3) ** 2 for c in range(4)]
        for ensemble, weights in zip(ENSEMBLES, (probabilities, powers, squares), strict=True):
            np.testing.assert_allclose(ensemble(P)[n], np.array(weights) / sum(weights), atol=1e-12)


def test_a_pair_of_points_and_one_network():
    P, labels, rng = made_up(0, 4, 3, 30, 5)
    Q, F = P[1, 1], rng.standard_normal((4, 30, 6))
    for i in np.ndindex(4, 3):
        for measure in OF_PAIRS:
            assert measure(P, Q)[i] == measure(P[i], Q)
        assert measures.disagreement_one_right(P, Q, labels)[i] == measures.disagreement_one_right(P[i], Q, labels)
    np.testing.assert_allclose(measures.feature_cosine(F, F[0]), [measures.feature_cosine(f, F[0]) for f in F])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_of_two_logits_gains_their_distance(seed):
    P, labels, _ = made_up(seed, 2, 100, 10)
    expected = measures.nll(P, labels).mean() - bhattacharyya(*P)
    assert measures.nll(measures.mean_of_logits(P), labels) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_the_gain_of_the_mean_of_logits(seed, members):
    P, labels, _ = made_up(seed, members, 100, 6, sharpness=5.0)
    floored = np.maximum(P, measures.FLOOR)  # where something is below it, the theorem is one of what is floored
    gain = -np.log(np.prod(floored ** (1 / members), axis=0).sum(axis=1)).mean()
    found = measures.nll(P, labels).mean() - measures.nll(measures.mean_of_logits(P), labels)
    assert found == pytest.approx(gain, abs=1e-10) and found >= -1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_means_of_probabilities_are_no_worse_than_members_on_average(seed):
    P, labels, _ = made_up(seed, 4, 100, 6)
    for measure in (measures.nll, measures.brier):  # convex in P
        assert measure(measures.mean_of_probabilities(P), labels) <= measure(P, labels).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_distance_to_the_truth_is_half_the_nll(seed):
    P, labels, _ = made_up(seed, 100, 10)
    truth = np.eye(10)[labels]
    assert bhattacharyya(truth, P) == pytest.approx(measures.nll(P, labels) / 2, abs=1e-10)
    wrong = np.eye(10)[(labels + 1) % 10]
    assert bhattacharyya(truth, wrong) == pytest.approx(measures.nll(wrong, labels) / 2, abs=1e-10)
    assert measures.nll(wrong, labels) == pytest.approx(-math.log(measures.FLOOR))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_of_two_roots_is_halfway(seed):
    P, _, _ = made_up(seed, 2, 50, 10)
    middle = np.sqrt(measures.mean_of_roots(P))
    to_ends = [np.arccos((middle * np.sqrt(end)).sum(axis=1)) for end in P]
    whole = np.arccos(np.sqrt(P[0] * P[1]).sum(axis=1))
    np.testing.assert_allclose(to_ends, [whole / 2, whole / 2], atol=1e-10)


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_equal_members_are_the_ensemble(ensemble):
    P, _, _ = made_up(0, 30, 5)
    np.testing.assert_allclose(ensemble(np.stack([P, P, P])), P, atol=1e-12)


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_members_without_a_common_class(ensemble):
    np.testing.assert_allclose(ensemble(np.eye(2)[:, None]), [[0.5, 0.5]])


def test_one_hot_predictions():
    labels = np.arange(12) % 4
    right, wrong = np.eye(4)[labels], np.eye(4)[(labels + 1) % 4]
    assert [measure(right, labels) for measure in OF_LABELS] == [1, 0, 0, 0]
    assert [measure(wrong, labels) for measure in OF_LABELS] == [0, pytest.approx(12 * math.log(10)), 2, 1]


@pytest.mark.parametrize("bins", [1, 2, 20])
def test_calibration_error_at_confidence_1(bins):
    """Half are right: a library that puts a confidence of 1 into no bin finds 0."""
    assert measures.ece(np.eye(2)[[0, 0, 0, 0]], np.array([0, 0, 1, 1]), bins) == 0.5


def test_calibrated_bins_have_no_error():
    """In the middle of each bin, as many of 40 are right as the confidence says."""
    rows, labels = [], []
    for confidence in (0.525, 0.625, 0.775, 0.975):
        rows += 40 * [[confidence, 1 - confidence]]
        labels += [int(i >= round(40 * confidence)) for i in range(40)]
    assert measures.ece(np.array(rows), np.array(labels)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("b", range(11, 20))
def test_a_confidence_at_an_edge_is_in_the_bin_below_it(b):
    """One right and one wrong cancel in a bin, not in two."""
    edge = b / 20
    for other, together in ((edge - 0.01, True), (edge + 0.01, False)):
        P = np.array([[edge, 1 - edge], [other, 1 - other]])
        apart = (1 - edge) + other
        expected = abs(1 - edge - other) if together else apart
        assert measures.ece(P, np.array([0, 1])) == pytest.approx(expected / 2, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_samples_and_names_of_classes_do_not_matter(seed):
    P, labels, rng = made_up(seed, 2, 60, 5)
    samples, classes = rng.permutation(60), rng.permutation(5)
    names = np.argsort(classes)  # the new name of each class
    for Q, y in ((P[:, samples], labels[samples]), (P[:, :, classes], names[labels])):
        for measure in OF_LABELS:
            np.testing.assert_allclose(measure(Q, y), measure(P, labels), atol=1e-12)
        for measure in OF_PAIRS:
            assert measure(*Q) == pytest.approx(measure(*P), abs=1e-12)
        assert measures.disagreement_one_right(*Q, y) == measures.disagreement_one_right(*P, labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_distances_of_pairs(seed):
    (P, Q), labels, rng = made_up(seed, 2, 60, 6)
    for measure in OF_PAIRS:
        assert measure(P, Q) == measure(Q, P) > 0 and measure(P, P) == 0
    assert measures.disagreement_one_right(P, Q, labels) == measures.disagreement_one_right(Q, P, labels)
    first, last = P * (np.arange(6) < 3), Q * (np.arange(6) >= 3)
    apart = [x / x.sum(axis=1, keepdims=True) for x in (first, last)]
    assert measures.total_variation(*apart) == pytest.approx(1) and measures.disagreement(*apart) == 1
    F = rng.standard_normal((60, 6))
    assert measures.feature_cosine(F, 3 * F) == pytest.approx(1) == -measures.feature_cosine(F, -F)
    assert measures.feature_cosine(F, 0 * F) == 0


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_stored_types(kind):
    P, labels, _ = made_up(0, 2, 100, 10)
    for measure in (measures.accuracy, measures.nll, measures.brier):
        np.testing.assert_allclose(measure(P.astype(kind), labels), measure(P, labels), atol=2e-3)
        assert measure(P.astype(kind), labels).dtype == np.float64
    half = P.astype(kind).astype(np.float64)
    half /= half.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(measures.nll(P.astype(kind), labels), measures.nll(half, labels), rtol=1e-14)


P, LABELS, _ = made_up(0, 2, 6, 3)
UNNORMALISED, NEGATIVE, UNKNOWN = P.copy(), P.copy(), P.copy()
UNNORMALISED[1, 4] *= 1.002
NEGATIVE[1, 4] = [-0.5, 0.5, 1.0]
UNKNOWN[0, 2, 1] = np.nan


@pytest.mark.parametrize("measure", OF_LABELS)
@pytest.mark.parametrize(
    "probabilities, labels, message",
    [
        (P, LABELS[:5], r"labels: expected 6 integers, one a sample, not int64 of shape \(5,\)"),
        (P, LABELS + 0.0, r"labels: expected 6 integers, one a sample, not float64 of shape \(6,\)"),
        (P, LABELS * 0 + 3, r"labels: expected 0\.\.2 for 3 classes, not 3\.\.3"),
        (P, LABELS * 0 - 1, r"labels: expected 0\.\.2 for 3 classes, not -1\.\.-1"),
        (P[:, :0], LABELS[:0], r"P: expected an array \(\.\.\., samples, classes or features\), not .* \(2, 0, 3\)"),
        (P[0, 0], LABELS[:1], r"P: expected an array .*, not one of shape \(3,\)"),
        (UNNORMALISED, LABELS, r"P: 1 of 12 rows are not probabilities; the first, at \(1, 4\), sums to 1\.002 and"),
        (NEGATIVE, LABELS, r"P: 1 of 12 rows .* at \(1, 4\), sums to 1 and its smallest entry is -0\.5; expected sums"),
        (UNKNOWN, LABELS, r"P: 1 of 12 rows .* at \(0, 2\), sums to nan"),
    ],
)
def test_what_is_no_prediction_of_the_labels(measure, probabilities, labels, message):
    with pytest.raises(InputError, match=message):
        measure(probabilities, labels)


@pytest.mark.parametrize("other", [P[:, :5], P[:, :, :1] * 0 + 1, np.stack([P[0]] * 3)])
def test_pairs_that_do_not_fit(other):
    for measure in OF_PAIRS:
        with pytest.raises(InputError, match=r"P has shape \(2, 6, 3\) and Q \(.*\); expected the same"):
            measure(P, other)
    with pytest.raises(InputError, match=r"P has shape"):
        measures.disagreement_one_right(P, other, LABELS)
    with pytest.raises(InputError, match=r"F has shape \(2, 6, 3\) and G \(.*\); expected the same"):
        measures.feature_cosine(P, other)


def test_the_second_of_a_pair_is_named():
    with pytest.raises(InputError, match="Q: 1 of 12 rows are not probabilities"):
        measures.total_variation(P, UNNORMALISED)
    with pytest.raises(InputError, match="G: 1 of 36 features are not finite"):
        measures.feature_cosine(P, UNKNOWN)
    with pytest.raises(InputError, match=r"labels: expected 6 integers"):
        measures.disagreement_one_right(P, P, LABELS[:2])


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_what_is_no_list_of_members(ensemble):
    with pytest.raises(InputError, match=r"P: expected members of shape \(members, samples, classes\), not \(6, 3\)"):
        ensemble(P[0])
    with pytest.raises(InputError, match=r"P: expected an array .*, not one of shape \(0, 6, 3\)"):
        ensemble(P[:0])
    with pytest.raises(InputError, match=r"P: 1 of 12 rows are not probabilities"):
        ensemble(UNNORMALISED)


def test_no_bins():
    with pytest.raises(InputError, match="a calibration error needs 1 bin or more, not 0"):
        measures.ece(P, LABELS, 0)
