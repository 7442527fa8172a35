"""Distances between embeddings against their definitions, and embeddings that are not to be compared."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
import torch

from experiments.task_distances import distances
from experiments.task_distances.embedding import Embedding
from info_geometry.files import InputError

SCALED = "cosine", "published_cosine", "plain_cosine"


def embedding(vector, **changes):
    vector = np.asarray(vector, float)
    filters = [f"body.0.weight[{i}]" for i in range(len(vector))]
    given = Embedding(vector, filters, "small_cnn 0123456789ab", "exact", 60, 3, 0.2, np.zeros(len(vector)))
    return dataclasses.replace(given, **changes)


def vectors(seed, n=2, F=12):
    """Return vectors (n, F), of which a third is dead in all."""
    found = np.exp(2 * np.random.default_rng(seed).standard_normal((n, F)))
    found[:, ::3] = 0
    return found


@pytest.mark.parametrize("seed", range(3))
def test_cosines_are_their_definitions(seed):
    a, b = vectors(seed)
    live = a > 0

    def cosine(x, y):
        return 1 - sum(x * y) / math.sqrt(sum(x * x) * sum(y * y))

    def scaled(x, y):
        return cosine(x[live] / (x + y)[live], y[live] / (x + y)[live])

    assert distances.plain_cosine(a, b) == pytest.approx(cosine(a, b), rel=1e-9)
    assert distances.published_cosine(a, b) == pytest.approx(scaled(a, b), rel=1e-9)
    assert distances.cosine(a, b) == pytest.approx(scaled(a / a.mean(), b / b.mean()), rel=1e-9)
    assert distances.correlation(a, b) == pytest.approx(1 - np.corrcoef(1 / a[live], 1 / b[live])[0, 1], rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_divergences_are_those_of_torch(seed):
    a, b = vectors(seed)
    normal = torch.distributions.Normal
    p, q = (normal(0.0, torch.from_numpy(x[x > 0]) ** -0.5) for x in (a, b))
    m = normal(0.0, ((p.variance + q.variance) / 2).sqrt())
    kl = torch.distributions.kl_divergence
    assert distances.directed_kl(a, b) == pytest.approx(kl(p, q).sum().item(), rel=1e-6)
    assert distances.kl(a, b) == pytest.approx(torch.maximum(kl(p, q), kl(q, p)).sum().item(), rel=1e-6)
    assert distances.jensen_shannon(a, b) == pytest.approx(((kl(p, m) + kl(q, m)) / 2).mean().item(), rel=1e-6)


@pytest.mark.parametrize("name", distances.SYMMETRIC)
def test_what_every_distance_has(name):
    d = distances.SYMMETRIC[name]
    a, b = vectors(0)
    assert abs(d(a, a)) < 1e-15 < d(a, b) == pytest.approx(d(b, a), rel=1e-12)
    order = np.random.default_rng(1).permutation(len(a))
    assert d(a[order], b[order]) == pytest.approx(d(a, b), rel=1e-9)
    for factor in (1e-9, 1e6):
        assert d(factor * a, factor * b) == pytest.approx(d(a, b), rel=1e-9)
    dead = [np.concatenate([x, np.zeros(5)]) for x in (a, b)]
    assert d(*dead) == pytest.approx(d(a, b), rel=1e-9)


def test_cosines_do_not_see_how_long_vectors_are_and_kl_does():
    a, b = vectors(0)
    for name in SCALED:
        assert distances.SYMMETRIC[name](a, 7 * a) == pytest.approx(0, abs=1e-12)
        assert 0 <= distances.SYMMETRIC[name](a, b) <= 1
    assert distances.cosine(a, 64 * b) == pytest.approx(distances.cosine(a, b), rel=1e-12)
    assert abs(distances.published_cosine(a, 64 * b) - distances.published_cosine(a, b)) > 0.01
    live = (a > 0).sum()
    assert distances.directed_kl(a, 7 * a) == pytest.approx(live / 2 * (7 - 1 - math.log(7)))


def test_tasks_that_share_no_filter_are_at_1_and_infinitely_far():
    a, b = np.array([1.0, 2, 0, 0]), np.array([0, 0, 3.0, 1])
    assert all(distances.SYMMETRIC[name](a, b) == pytest.approx(1) for name in SCALED)
    assert distances.kl(a, b) == distances.directed_kl(a, b) == distances.jensen_shannon(a, b) == math.inf
    with pytest.raises(InputError, match="0 of 4 filters are above 0 in both"):
        distances.correlation(a, b)


def test_a_matrix_holds_all_pairs_and_asymmetric_ones_run_from_row_to_column():
    rows = vectors(5, 4)
    embeddings = [embedding(row) for row in rows]
    for name in distances.SYMMETRIC:
        D = distances.matrix(embeddings, name)
        assert D.shape == (4, 4) and (D == D.T).all() and (D.diagonal() == 0).all()
        assert D[1, 3] == pytest.approx(distances.SYMMETRIC[name](rows[1], rows[3]), rel=1e-12)
    D = distances.matrix(embeddings, "directed_kl")
    assert D[0, 2] == distances.directed_kl(rows[0], rows[2]) != D[2, 0]
    D = distances.matrix(embeddings, "asymmetric", alpha=0.3, kappa=0.1)
    nothing = np.full(12, 0.1 * np.median(rows))
    for i, j in ((0, 2), (2, 0), (1, 1)):
        expected = distances.published_cosine(rows[i], rows[j]) - 0.3 * distances.published_cosine(rows[i], nothing)
        assert D[i, j] == pytest.approx(expected, rel=1e-12)
    assert distances.matrix(embeddings, "asymmetric", alpha=0) == pytest.approx(distances.matrix(embeddings, SCALED[1]))


def test_of_two_sources_as_near_the_more_complex_one_is_preferred():
    target, simple = np.array([1.0, 1, 1, 1, 1]), np.array([2.0, 1, 1, 1, 1])
    other = np.array([1.0, 1, 1, 1, 0.5])
    assert distances.published_cosine(simple, target) == pytest.approx(distances.published_cosine(other, target))
    nothing = np.full(5, 0.9)
    d = [distances.asymmetric(each, target, nothing) for each in (simple, other)]
    far = [distances.published_cosine(each, nothing) for each in (simple, other)]
    assert (d[0] < d[1]) == (far[0] > far[1])


def test_kappa_plays_no_part_where_vectors_are_divided_by_their_means():
    embeddings = [embedding(np.where(row > 0, row, 1)) for row in vectors(2, 3)]
    with_means = [distances.matrix(embeddings, "asymmetric", kappa=k, by="cosine") for k in (1e-4, 1e-1)]
    assert with_means[0] == pytest.approx(with_means[1], rel=1e-9)
    as_they_are = [distances.matrix(embeddings, "asymmetric", kappa=k) for k in (1e-4, 1e-1)]
    assert np.abs(as_they_are[0] - as_they_are[1]).max() > 1e-3


def test_rankings_of_sources_are_compared_target_by_target():
    rows = vectors(3, 6) + 0.01
    embeddings = [embedding(row) for row in rows]
    found = distances.rank_stability(embeddings, (0.0, distances.ALPHA, 3.0), (1e-4, distances.KAPPA, 0.5))
    assert found.shape == (3, 3) and found[1, 1] == pytest.approx(1)
    assert found[0] == pytest.approx(np.full(3, found[0, 0])) and found[2].max() < 1
    expected = []
    usual, other = (distances.matrix(embeddings, "asymmetric", alpha=a, kappa=k) for a, k in ((0.15, 1e-3), (3.0, 0.5)))
    for j in range(6):
        sources = [i for i in range(6) if i != j]
        expected.append(scipy.stats.spearmanr(usual[sources, j], other[sources, j]).statistic)
    assert found[2, 2] == pytest.approx(np.mean(expected))
    with pytest.raises(InputError, match="there are 3 tasks; a ranking of sources needs 4 or more"):
        distances.rank_stability(embeddings[:3], (0.1,), (0.1,))


def test_the_trivial_task():
    rows = vectors(2, 3) + 1
    embeddings = [embedding(row) for row in rows]
    assert (distances.trivial(embeddings, 0.01) == 0.01 * np.median(rows)).all()
    floor = np.linspace(0.1, 0.2, 12)
    embeddings = [embedding(row, method="variational", floor=floor) for row in rows]
    assert (distances.trivial(embeddings) == floor).all()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"method": "sampled"}, "embedding 1 has method 'sampled', and embedding 0 'exact'"),
        ({"probe": "mlp ba9876543210"}, "embedding 1 has probe 'mlp ba9876543210', and embedding 0 'small_cnn"),
        (
            {"filters": [f"body.3.weight[{i}]" for i in range(12)]},
            "embedding 1 has 12 filters, and embedding 0 12",
        ),
        ({"floor": np.ones(12)}, "embedding 1 has another beta"),
    ],
)
@pytest.mark.parametrize("name", distances.NAMES)
def test_embeddings_that_are_not_to_be_compared(name, changes, message):
    a, b = vectors(0)
    with pytest.raises(InputError, match=message):
        distances.matrix([embedding(a), embedding(b, **changes)], name)


def test_what_is_refused():
    a, b = vectors(0)
    pair = [embedding(a), embedding(b)]
    for given, message in (
        (((), "cosine"), "there are no embeddings"),
        (([pair[0], b], "cosine"), "embedding 1 is a ndarray; expected what `embed` or `read` returns"),
        ((np.stack([a, b]), "kl"), "embedding 0 is a ndarray"),
        ((pair, "euclid"), "there is no distance 'euclid'; there are cosine"),
        (([embedding(a), embedding(0 * a)], "cosine"), "all 12 filters of a vector are 0"),
        (([embedding(0 * a), embedding(0 * a)], "kl"), "all 12 filters are 0 in both vectors"),
        (([embedding(a > 0), embedding(b)], "correlation"), "all filters of a vector are the same"),
    ):
        with pytest.raises(InputError, match=message):
            distances.matrix(*given)
    for options, message in (
        ({"alpha": -1}, "alpha is -1"),
        ({"kappa": 0}, "kappa is 0"),
        ({"by": "asymmetric"}, "made of cosine"),
    ):
        with pytest.raises(InputError, match=message):
            distances.matrix(pair, "asymmetric", **options)
    with pytest.raises(InputError, match="half of the filters are dead"):
        distances.trivial([embedding(np.eye(12)[0])])
