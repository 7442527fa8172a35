"""HSIC is its definition, sum after sum; the form without kernels is the same; and only one of two is unbiased."""

import itertools
import math

import numpy as np
import pytest

from experiments.symmetries.hsic import hsic, linear_hsic
from info_geometry.files import InputError

SEEDS = range(3)


def kernels(seed, n=12):
    rng = np.random.default_rng(seed)
    K, L = rng.standard_normal((2, n, n))
    return K + K.T, L + L.T, rng


def cka(criterion, *pair, debiased):
    of, own1, own2 = (criterion(*p, debiased) for p in (pair, pair[:1] * 2, pair[1:] * 2))
    return of / math.sqrt(own1 * own2)


@pytest.mark.parametrize("seed", SEEDS)
def test_debiased_is_the_mean_over_different_samples(seed):
    """Its definition: the mean over i, j, q, r, all different, of K_ij (L_ij + L_qr - 2 L_iq)   (Song et al. 2012)."""
    K, L, _ = kernels(seed, n=7)
    terms = [K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q]) for i, j, q, r in itertools.permutations(range(7), 4)]
    assert hsic(K, L) == pytest.approx(np.mean(terms), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_are_their_formulas(seed):
    K, L, _ = kernels(seed)
    n, one, J = 12, np.ones(12), np.eye(12) - 1 / 12
    assert hsic(K, L, debiased=False) == pytest.approx(np.trace(K @ J @ L @ J) / (n - 1) ** 2, abs=1e-12)
    k, l = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    sums = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ l @ one)
    assert hsic(K, L) == pytest.approx((np.trace(k @ l) + sums) / (n * (n - 3)), abs=1e-12)


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("n, p, q", [(30, 5, 7), (10, 40, 3), (4, 2, 9), (12, 1, 1)])
def test_features_need_no_kernels(n, p, q, debiased):
    rng = np.random.default_rng(n)
    X, Y = rng.standard_normal((n, p)) + 3, rng.standard_normal((n, q)) * 2 - 1
    X[:, 0] += Y[:, 0]
    assert linear_hsic(X, Y, debiased) == pytest.approx(hsic(X @ X.T, Y @ Y.T, debiased), rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_changes_nothing(seed):
    """A number a row and a column added to kernels; for the debiased one also their diagonals; the order of samples."""
    K, L, rng = kernels(seed)
    a, order = rng.standard_normal(12), rng.permutation(12)
    for debiased in (True, False):
        found = hsic(K, L, debiased)
        assert hsic(K + a[:, None] + a, L, debiased) == pytest.approx(found, abs=1e-12)
        assert hsic(L, K, debiased) == pytest.approx(found, abs=1e-12)
        assert hsic(K[order][:, order], L[order][:, order], debiased) == pytest.approx(found, abs=1e-12)
    assert hsic(K + np.diag(a), L) == pytest.approx(hsic(K, L), abs=1e-12)
    assert abs(hsic(K + np.diag(a), L, debiased=False) - hsic(K, L, debiased=False)) > 1e-6


def test_only_one_is_unbiased():
    """Independent normal features, n = 64, p = 256: a CKA of 0.80 = p / (n + p) by the biased one, else of 0."""
    rng, found = np.random.default_rng(0), {True: [], False: []}
    for _ in range(10):
        X, Y = rng.standard_normal((2, 64, 256))
        for debiased, values in found.items():
            values.append(cka(linear_hsic, X, Y, debiased=debiased))
    np.testing.assert_allclose(found[False], 0.80, atol=0.03)
    assert np.mean(found[False]) == pytest.approx(0.80, abs=0.005)
    np.testing.assert_allclose(found[True], 0, atol=0.06)
    assert abs(np.mean(found[True])) < 0.02 and min(found[True]) < 0 < max(found[True])


def test_float32_is_summed_in_float64():
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((40, 6)).astype(np.float32) for _ in range(2))
    assert linear_hsic(X, Y) == linear_hsic(X.astype(np.float64), Y.astype(np.float64))
    K, L = X @ X.T, Y @ Y.T
    assert hsic(K, L) == hsic(K.astype(np.float64), L.astype(np.float64))


def test_messages_and_that_nothing_is_changed():
    K, L, _ = kernels(0)
    before = K.copy(), L.copy()
    for criterion in (hsic, linear_hsic):
        for debiased in (True, False):
            criterion(K, L, debiased)
            for n, m in ((3, 3), (5, 4)):
                with pytest.raises(InputError, match=f"HSIC of {n} and {m} samples; it needs the same ones, 4 or more"):
                    criterion(K[:n, :n], L[:m, :m], debiased)
    np.testing.assert_array_equal((K, L), before)
