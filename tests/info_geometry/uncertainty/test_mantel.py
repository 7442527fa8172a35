"""The Mantel test: theorems about ranks and permutations, a slow double loop, and p-values under the null."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy.stats import kstest, rankdata, spearmanr

from info_geometry.files import InputError
from info_geometry.uncertainty.mantel import mantel, partial_mantel


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def distances(seed, K=6, ties=False):
    """Return the Euclidean distances (K, K) of random points, or of points on a small lattice, many of them equal."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 2, (K, 3)) + np.eye(K)[:, :3] if ties else rng.normal(size=(K, 3))
    return np.sqrt(np.square(points[:, None] - points).sum(axis=2)).round(12)


def slow(A, B, orders):
    """Return statistic and p from the definition: a double loop over objects for every permutation."""

    def r(order):
        a, b = [], []
        for i in range(len(A)):
            for j in range(i + 1, len(A)):
                a.append(A[i][j])
                b.append(B[order[i]][order[j]])
        return spearmanr(a, b).statistic

    observed = r(range(len(A)))
    return observed, np.mean([r(order) >= observed - 1e-9 for order in orders])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_exact_is_the_enumeration_of_all_permutations(seed, ties):
    A, B = distances(seed, 5, ties), distances(seed + 10, 5, ties)
    found = mantel(A, B)
    statistic, p = slow(A, B, itertools.permutations(range(5)))
    assert found.exact and found.permutations == 120 and found.objects == 5
    assert found.statistic == pytest.approx(statistic, abs=1e-12) and found.p == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_random_permutations_are_those_of_the_slow_loop(ties):
    A, B, rng = distances(1, 6, ties), distances(2, 6, ties), np.random.default_rng(4)
    orders = [np.arange(6), *(rng.permutation(6) for _ in range(200))]
    found = mantel(A, B, permutations=200, seed=4)
    statistic, p = slow(A, B, orders)
    assert not found.exact and found.permutations == 201
    assert found.statistic == pytest.approx(statistic, abs=1e-12) and found.p == pytest.approx(p, abs=1e-12)


def test_random_permutations_estimate_the_exact_p():
    A = distances(3)
    B = A + distances(4)
    exact, random = mantel(A, B), mantel(A, B, permutations=700, seed=1)
    assert exact.exact and not random.exact and exact.statistic == random.statistic
    assert random.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p * (1 - exact.p) / 700) + 1 / 700)


def test_equal_matrices_correlate_perfectly_and_nothing_beats_that():
    for seed in range(5):
        found = mantel(distances(seed), distances(seed))
        assert found.statistic == pytest.approx(1) and found.p == 1 / 720
    opposed = mantel(distances(0), -distances(0))
    assert opposed.statistic == pytest.approx(-1) and opposed.p == 1


@pytest.mark.parametrize("ties", [False, True])
def test_names_and_units_of_distances_do_not_matter(ties):
    A, B = distances(5, 6, ties), distances(6, 6, ties)
    found, order = mantel(A, B), np.random.default_rng(0).permutation(6)
    moved = mantel(A[np.ix_(order, order)], B[np.ix_(order, order)])
    assert (moved.statistic, moved.p) == (pytest.approx(found.statistic, abs=1e-12), found.p)
    assert mantel(np.exp(A), B**3 + 7 * np.eye(6)) == found, "ranks are those of any increasing function"
    swapped = mantel(B, A)
    assert (swapped.statistic, swapped.p) == (pytest.approx(found.statistic, abs=1e-12), found.p)


def test_p_is_uniform_where_matrices_have_nothing_in_common():
    p = [mantel(distances(2 * seed, 5), distances(2 * seed + 1, 5)).p for seed in range(600)]
    # an exact p takes the values 1/120, 2/120, ...: half a step below, it is uniform up to that step
    assert kstest(np.array(p) - 1 / 240, "uniform").statistic < 1.63 / math.sqrt(600) + 1 / 240  # 1 in 100
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 600))


def test_entries_are_not_independent():
    """Why objects are permuted: the p-value of entries is below 0.05 far more often than in a case of twenty."""
    pairs = [(distances(2 * seed, 12), distances(2 * seed + 1, 12)) for seed in range(150)]
    upper = np.triu_indices(12, 1)
    naive = np.mean([spearmanr(A[upper], B[upper], alternative="greater").pvalue < 0.05 for A, B in pairs])
    honest = np.mean([mantel(A, B, permutations=400).p < 0.05 for A, B in pairs])
    assert naive > 0.1 > honest


def test_the_same_seed_gives_the_same_answer():
    A, B = distances(0, 9), distances(1, 9)
    assert mantel(A, B, 300, seed=5) == mantel(A, B, 300, seed=5) != mantel(A, B, 300, seed=6)


def test_blocks_change_nothing(monkeypatch):
    A, B = distances(0, 7), distances(1, 7)
    whole = mantel(A, B)
    monkeypatch.setattr("info_geometry.uncertainty.mantel.BLOCK", 50)
    assert mantel(A, B) == whole and whole.permutations == 5040


def test_few_objects_cannot_have_a_small_p():
    A = distances(0, 3)
    assert mantel(A, A).p == pytest.approx(1 / 6)
    assert str(mantel(A, A)) == "Spearman 1.000, p = 0.17 (3 objects, all 6 permutations)"
    assert str(mantel(distances(0, 9), distances(0, 9), 1999)).endswith("(9 objects, 2,000 random permutations)")


@pytest.mark.parametrize("constant, other, which", [(0, 1, "first"), (1, 0, "second")])
def test_constant_distances_order_nothing(constant, other, which):
    matrices = {constant: 1 - np.eye(4), other: distances(0, 4)}
    found = mantel(matrices[0], matrices[1])
    assert math.isnan(found.statistic) and math.isnan(found.p)
    assert found.reason == f"all distances of the {which} are equal" and "no correlation" in str(found)


def wrong(K=4, **entries):
    matrix = distances(0, K)
    for value in entries.values():
        matrix[0, 1] = matrix[1, 0] = value
    return matrix


@pytest.mark.parametrize(
    "A, B, message",
    [
        (wrong(nan=np.nan), wrong(), "A: 1 of 6 distances are not finite; leave out the objects"),
        (wrong(), wrong(inf=np.inf), "B: 1 of 6 distances are not finite"),
        (wrong(), distances(0, 5), "A has 4 objects and B 5; expected distances between the same"),
        (distances(0, 2), distances(0, 2), r"A: expected distances \(K, K\) of 3 to 1,500 objects, found .*\(2, 2\)"),
        (wrong()[:3], wrong(), r"A: expected .*found an array \(3, 4\)"),
        (wrong(), np.arange(16.0).reshape(4, 4), "B: expected a symmetric matrix"),
    ],
)
def test_bad_matrices(A, B, message):
    with pytest.raises(InputError, match=message):
        mantel(A, B)


def test_bad_number_of_permutations():
    with pytest.raises(InputError, match="expected at least 1 permutation, found 0"):
        mantel(wrong(), wrong(), 0)


def entries(matrix, order):
    return np.array([matrix[order[i]][order[j]] for i in range(len(matrix)) for j in range(i + 1, len(matrix))])


def slow_partial(A, B, Z, orders):
    """Return statistic and p by the formula of a partial correlation, of entries, and of residuals for permutations."""
    a, b, z = (rankdata(entries(each, range(len(A)))) for each in (A, B, Z))
    ab, az, bz = (np.corrcoef(x, y)[0, 1] for x, y in ((a, b), (a, z), (b, z)))
    residuals, K = [], len(A)
    for x in (a, b):
        slope = np.cov(x, z)[0, 1] / z.var(ddof=1)
        square = np.zeros((K, K))
        square[np.triu_indices(K, 1)] = x - x.mean() - slope * (z - z.mean())
        residuals.append(square + square.T)
    first = entries(residuals[0], range(K))
    found = [np.corrcoef(first, entries(residuals[1], order))[0, 1] for order in orders]
    statistic = (ab - az * bz) / math.sqrt((1 - az**2) * (1 - bz**2))
    return statistic, np.mean([r >= statistic - 1e-9 for r in found])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_partial_is_the_formula_and_the_enumeration(seed, ties):
    Z = distances(seed, 5, ties)
    A, B = Z + distances(seed + 10, 5), Z + distances(seed + 20, 5)
    found = partial_mantel(A, B, [Z])
    statistic, p = slow_partial(A, B, Z, list(itertools.permutations(range(5))))
    assert found.exact and found.permutations == 120 and found.given == 1
    assert found.statistic == pytest.approx(statistic, abs=1e-9) and found.p == pytest.approx(p, abs=1e-12)
    assert str(found).startswith("partial Spearman given 1 ")


def test_partial_of_nothing_given_is_the_test_itself():
    A, B = distances(1, 6), distances(2, 6)
    free, usual = partial_mantel(A, B, []), mantel(A, B)
    assert free.statistic == pytest.approx(usual.statistic, abs=1e-12) and free.p == pytest.approx(usual.p, abs=1e-12)
    random = partial_mantel(distances(1, 9), distances(2, 9), [], 300, seed=3)
    assert random.p == pytest.approx(mantel(distances(1, 9), distances(2, 9), 300, seed=3).p, abs=1e-12)


def test_partial_given_two_is_by_least_squares_on_both():
    """Removing one after the other, as Frisch and Waugh have it, is the same."""
    Z = [distances(seed, 6) for seed in (7, 8)]
    A, B = (Z[0] + Z[1] + distances(seed, 6) for seed in (1, 2))
    a, b, z, y = (rankdata(entries(each, range(6))) for each in (A, B, *Z))

    def rest(x, *others):
        design = np.stack([np.ones(len(x)), *others], axis=1)
        return x - design @ np.linalg.lstsq(design, x, rcond=None)[0]

    free = rest(y, z)
    expected = np.corrcoef(rest(rest(a, z), free), rest(rest(b, z), free))[0, 1]
    for given in (Z, Z[::-1], [*Z, Z[0]]):
        assert partial_mantel(A, B, given, 10).statistic == pytest.approx(expected, abs=1e-9)


def test_partial_does_not_depend_on_names_or_units():
    A, B, Z = (distances(seed, 6) for seed in (1, 2, 3))
    found, order = partial_mantel(A + Z, B + Z, [Z]), np.random.default_rng(0).permutation(6)
    moved = partial_mantel(*((each + Z)[np.ix_(order, order)] for each in (A, B)), [Z[np.ix_(order, order)]])
    assert (moved.statistic, moved.p) == (pytest.approx(found.statistic, abs=1e-9), found.p)
    assert partial_mantel(np.exp(A + Z), (B + Z) ** 3, [np.sqrt(Z)]) == found


def test_partial_p_is_uniform_where_a_third_explains_both():
    """And the test without it sees an agreement almost always."""
    partial, usual = [], []
    for seed in range(300):
        Z = distances(3 * seed, 8)
        A, B = (Z + 0.7 * distances(3 * seed + k, 8) for k in (1, 2))
        partial.append(partial_mantel(A, B, [Z], 199, seed=seed).p)
        usual.append(mantel(A, B, 199, seed=seed).p)
    assert np.mean(np.array(usual) <= 0.05) > 0.8
    assert np.mean(np.array(partial) <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 300))
    assert kstest(partial, "uniform").statistic < 1.63 / math.sqrt(300) + 1 / 200


def test_partial_finds_what_is_shared_beside():
    Z, shared = distances(0, 9), distances(1, 9)
    A, B = (Z + shared + 0.3 * distances(seed, 9) for seed in (2, 3))
    assert partial_mantel(A, B, [Z], 999).p < 0.01
    opposed = partial_mantel(Z + 0.1 * shared, Z - 0.1 * shared, [Z], 999)
    assert opposed.statistic < -0.5 and opposed.p > 0.99


def test_partial_of_what_the_others_say_already():
    A, Z = distances(0, 6), distances(1, 6)
    for given, which in ((A, "first"), (Z, "second")):
        found = partial_mantel(A, Z, [given])
        assert math.isnan(found.p) and found.given == 1
        assert found.reason == f"all distances of the {which} are equal, but for what the others given say"
    with pytest.raises(InputError, match="A has 6 objects and given 1 5"):
        partial_mantel(A, Z, [Z, distances(0, 5)])
