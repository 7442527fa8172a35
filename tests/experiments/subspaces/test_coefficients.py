"""Coefficients: where points stand among the vertices, and what draws follow from."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from experiments.subspaces import coefficients
from experiments.subspaces.coefficients import along, draws, middle, pair, points
from info_geometry.files import InputError

A = np.linspace(0, 1, 41)
SUBSPACES = [("point", 1), ("line", 2), ("curve", 3), ("simplex", 2), ("simplex", 3), ("simplex", 5)]


@pytest.mark.parametrize("kind, vertices", [("line", 2), ("curve", 3)])
def test_ends_are_the_first_and_the_last_vertex(kind, vertices):
    np.testing.assert_array_equal(along(kind, [0, 1]), np.eye(vertices)[[0, -1]])
    assert along(kind, 0.3).shape == (vertices,) and along(kind, np.full((2, 5), 0.3)).shape == (2, 5, vertices)


@pytest.mark.parametrize("kind", ["line", "curve"])
def test_positions_are_those_of_bernstein_polynomials(kind):
    degree = coefficients.FEWEST[kind] - 1
    expected = [[math.comb(degree, k) * (1 - a) ** (degree - k) * a**k for k in range(degree + 1)] for a in A]
    np.testing.assert_allclose(along(kind, A), expected, atol=1e-15)


def test_a_curve_leaves_its_first_vertex_towards_the_second():
    w = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 0.0]])
    step = 1e-6
    begin, end = (along("curve", [step, 1 - step]) @ w - w[[0, 2]]) / step
    np.testing.assert_allclose(begin, 2 * (w[1] - w[0]), atol=1e-5)
    np.testing.assert_allclose(end, 2 * (w[1] - w[2]), atol=1e-5)


@pytest.mark.parametrize("kind, vertices", SUBSPACES)
def test_all_coefficients_are_weights_of_a_mean(kind, vertices):
    found = [draws(kind, vertices, 4, 3, 0, epoch, 1).reshape(-1, vertices) for epoch in range(20)]
    found.append(middle(kind, vertices)[None])
    if kind in ("line", "curve"):
        found.append(along(kind, A))
    if kind == "simplex":
        found.append(points(vertices, 4, random=6))
    for c in found:
        assert c.shape[1] == vertices and (c >= 0).all()
        np.testing.assert_allclose(c.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("kind, vertices", SUBSPACES)
def test_the_middle_does_not_change_when_the_ends_are_exchanged(kind, vertices):
    c = middle(kind, vertices)
    np.testing.assert_array_equal(c, c[::-1])
    np.testing.assert_allclose(c, 1 / vertices if kind != "curve" else [0.25, 0.5, 0.25])


@pytest.mark.parametrize("kind, vertices", SUBSPACES[1:])
def test_draws_follow_from_the_key_alone(kind, vertices):
    first = draws(kind, vertices, 4, 3, 5, 6, 7)
    assert first.shape == (4, 3, vertices)
    np.random.default_rng(0).random(100)
    np.random.seed(0)
    assert np.array_equal(draws(kind, vertices, 4, 3, 5, 6, 7), first)
    keys = [(4, 6, 7), (5, 5, 7), (5, 6, 8), (6, 5, 7), (5, 7, 6)]
    others = [draws(kind, vertices, 4, 3, *key) for key in keys]
    for one, other in itertools.combinations([first, *others], 2):
        assert not np.isclose(one, other).any()
    rows = first.reshape(-1, vertices)
    assert len(np.unique(rows.round(9), axis=0)) == len(rows)  # each draw and each layer has its own


def many(kind, vertices, count=20_000, key=0):
    return draws(kind, vertices, count, 1, key)[:, 0]


def test_draws_are_uniform():
    """Coefficients of a line, and positions of a curve, are; each of a simplex of m is that of Dirichlet(1, ..., 1)."""
    assert stats.kstest(many("line", 2)[:, 1], "uniform").pvalue > 0.001
    assert stats.kstest(np.sqrt(many("curve", 3)[:, 2]), "uniform").pvalue > 0.001
    for m in (2, 3, 5):
        c = many("simplex", m)
        for i in range(m):
            assert stats.kstest(c[:, i], stats.beta(1, m - 1).cdf).pvalue > 0.001
        covariance = (np.eye(m) / m - 1 / m**2) / (m + 1)
        np.testing.assert_allclose(np.cov(c.T, bias=True), covariance, atol=0.005)


def test_draws_are_around_the_middle():
    for kind, m in (("line", 2), ("simplex", 2), ("simplex", 3), ("simplex", 5)):
        c = many(kind, m)
        assert (abs(c.mean(axis=0) - 1 / m) < 4 * c.std(axis=0) / math.sqrt(len(c))).all()
    np.testing.assert_allclose(many("curve", 3).mean(axis=0), 1 / 3, atol=0.01)  # the mean of Bernstein polynomials


def test_a_simplex_of_two_is_a_line_in_law():
    line, simplex = many("line", 2), many("simplex", 2, key=1)
    assert stats.ks_2samp(line[:, 0], simplex[:, 0]).pvalue > 0.001
    assert stats.ks_2samp(line[:, 0], many("curve", 3)[:, 0]).pvalue < 1e-9  # which tells other laws apart


def test_layers_and_draws_do_not_depend_on_each_other():
    c = np.concatenate([draws("line", 2, 2, 3, 0, 0, batch)[None, ..., 0] for batch in range(3000)])
    correlations = np.corrcoef(c.reshape(3000, 6).T) - np.eye(6)
    assert abs(correlations).max() < 4.5 / math.sqrt(3000)


def test_pairs_are_of_different_vertices_and_all_occur_as_often():
    assert pair(4, 0, 1, 2) == pair(4, 0, 1, 2)
    for m in (2, 3, 5):
        found = [pair(m, 0, epoch, batch) for epoch in range(10) for batch in range(200)]
        kinds = list(itertools.permutations(range(m), 2))
        counts = [found.count(kind) for kind in kinds]
        assert sum(counts) == len(found) and stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("vertices, steps", [(2, 2), (2, 6), (3, 2), (3, 3), (3, 6), (4, 2), (4, 3), (5, 2)])
def test_points_of_a_simplex(vertices, steps):
    c = points(vertices, steps)
    np.testing.assert_array_equal(c[:vertices], np.eye(vertices))
    np.testing.assert_allclose(c[vertices], 1 / vertices)
    assert len(np.unique(c.round(9), axis=0)) == len(c)
    np.testing.assert_allclose(c[vertices + 1 :] * steps, (c[vertices + 1 :] * steps).round(), atol=1e-12)
    on_the_grid = math.comb(steps + vertices - 1, vertices - 1)
    assert len(c) == on_the_grid + (steps % vertices > 0)  # the barycentre is on the grid where m divides its steps


def test_random_points_come_last_and_are_always_the_same():
    grid, found = points(3, 6), points(3, 6, random=6)
    assert np.array_equal(found[:-6], grid) and len(np.unique(found.round(9), axis=0)) == len(grid) + 6
    assert np.array_equal(points(3, 2, random=6)[-6:], found[-6:])


@pytest.mark.parametrize("kind", ["line", "curve"])
@pytest.mark.parametrize("position, said", [(-0.1, "-0.1"), (1.5, "1.5"), (math.nan, "nan")])
def test_positions_beyond_the_ends(kind, position, said):
    with pytest.raises(InputError, match=f"position {said} is not on the {kind}, expected numbers from 0 to 1"):
        along(kind, [0.5, position])


@pytest.mark.parametrize("kind", ["point", "simplex"])
def test_what_has_no_positions(kind):
    with pytest.raises(InputError, match=f"a {kind} has no positions between two ends; lines and curves have"):
        along(kind, 0.5)
