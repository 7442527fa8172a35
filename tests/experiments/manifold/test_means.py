"""Six means of predictions: each minimises its divergence, and what is known of their order and of special cases."""

import itertools

import numpy as np
import pytest

from experiments.manifold import means
from info_geometry import geodesic, predictions, trajectory
from info_geometry.files import InputError
from tests.support.synthetic import labels_of, training


def kl(p, q):
    return (p * np.log(p / q)).sum(axis=-1)


DIVERGENCES = {
    "arithmetic": lambda p, c: kl(p, c),
    "geometric": lambda p, c: kl(c, p),
    "harmonic": lambda p, c: (c**2 / p).sum(axis=-1) - 1,
    "root": lambda p, c: ((np.sqrt(p) - np.sqrt(c)) ** 2).sum(axis=-1),
    "bhattacharyya": lambda p, c: -np.log(np.sqrt(p * c).sum(axis=-1)),
    "jeffreys": lambda p, c: kl(p, c) + kl(c, p),
}


def some(seed=0, g=5, N=7, C=4, concentration=0.7):
    return np.random.default_rng(seed).dirichlet(np.full(C, concentration), (g, N))


def test_every_kind_has_its_divergence():
    assert list(means.KINDS) == list(DIVERGENCES)


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_a_mean_minimises_its_divergence_and_no_other(kind):
    """Perturbed within the simplex, it is never better; means of other kinds are worse."""
    P, rng = some(), np.random.default_rng(1)
    found = {name: means.mean(P, name) for name in means.KINDS}

    def total(c):
        return DIVERGENCES[kind](P, c).sum(axis=0)

    best = total(found[kind])
    for size in (1e-3, 1e-2, 0.3):
        for _ in range(100):
            moved = found[kind] * np.exp(size * rng.standard_normal(found[kind].shape))
            assert (total(moved / moved.sum(axis=-1, keepdims=True)) > best).all()
    for name, other in found.items():
        assert name == kind or (total(other) > best).all(), name


def test_no_direction_goes_down():
    """The derivative along every direction of the simplex vanishes."""
    P = some(2, N=3)
    for kind, divergence in DIVERGENCES.items():
        c = means.mean(P, kind)
        for i, j in itertools.permutations(range(4), 2):
            step = np.zeros(4)
            step[i], step[j] = 1, -1
            h = 1e-4 * c[:, [i, j]].min(axis=1, keepdims=True)
            slope = [(divergence(P, c + sign * h * step).sum(axis=0)) for sign in (1, -1)]
            np.testing.assert_allclose((slope[0] - slope[1]) / (2 * h[:, 0]), 0, atol=1e-4 / c.min())


def test_harmonic_geometric_and_arithmetic_means_are_in_order():
    """Class by class before they are made to sum to 1; so what is lost is more of the harmonic mean."""
    P = some(3)
    a, g, h = P.mean(axis=0), np.exp(np.log(P).mean(axis=0)), 1 / (1 / P).mean(axis=0)
    assert (h <= g).all() and (g <= a).all() and (h.sum(axis=-1) < g.sum(axis=-1)).all()
    for kind, one in (("arithmetic", a), ("geometric", g), ("harmonic", h)):
        np.testing.assert_allclose(means.mean(P, kind), one / one.sum(axis=-1, keepdims=True), rtol=1e-10)


def test_closed_forms_of_two_classes():
    """The geometric mean is that of log odds; of p and its mirror image all are even."""
    p = np.array([0.9, 0.6, 0.2])
    P = np.stack([p, 1 - p], axis=-1)[:, None]
    odds = np.exp(np.log(p / (1 - p)).mean())
    assert means.mean(P, "geometric")[0, 0] == pytest.approx(odds / (1 + odds))
    mirrored = np.concatenate([P, P[:, :, ::-1]])
    for kind in means.KINDS:
        assert means.mean(mirrored, kind) == pytest.approx(np.full((1, 2), 0.5))


@pytest.mark.parametrize("kind", means.KINDS)
def test_of_equal_runs_it_is_each_of_them_and_the_order_of_runs_and_classes_does_not_matter(kind):
    P, order = some(4), np.random.default_rng(5).permutation(4)
    np.testing.assert_allclose(means.mean(np.repeat(P[:1], 3, axis=0), kind), P[0], atol=1e-10)
    np.testing.assert_allclose(means.mean(P[:1], kind), P[0], atol=1e-10)
    found = means.mean(P, kind)
    assert found.sum(axis=-1) == pytest.approx(np.ones(7))
    np.testing.assert_allclose(means.mean(P[::-1], kind), found, atol=1e-10)
    np.testing.assert_allclose(means.mean(P[:, :, order], kind), found[:, order], atol=1e-10)
    np.testing.assert_allclose(means.mean(np.concatenate([P, P]), kind), found, atol=1e-10)


def test_the_root_mean_of_two_is_the_middle_of_the_geodesic_as_is_their_bhattacharyya_centroid():
    P = some(6, g=2)
    middle = geodesic.interpolate(P[0], P[1], 0.5)
    np.testing.assert_allclose(means.mean(P, "root"), middle, atol=1e-12)
    np.testing.assert_allclose(means.mean(P, "bhattacharyya"), middle, atol=1e-10)


def test_jeffreys_is_between_arithmetic_and_geometric_mean_and_near_its_approximation():
    """Stationary: log c/g + 1 + l = a/c, so that every class satisfies it with one l."""
    P = some(7)
    a, g, c = P.mean(axis=0), np.exp(np.log(P).mean(axis=0)), means.mean(P, "jeffreys")
    left = a / c - np.log(c / g) - 1
    np.testing.assert_allclose(left, left[:, :1] + 0 * left, atol=1e-9)
    assert (left <= 1e-12).all()  # l <= 0


@pytest.mark.parametrize("kind", means.KINDS)
def test_certain_runs_are_borne(kind):
    """One-hot predictions, that agree and that do not."""
    P = np.stack([np.eye(3), np.eye(3), np.roll(np.eye(3), 1, axis=0)])
    found = means.mean(P, kind)
    assert np.isfinite(found).all() and (found >= 0).all() and found.sum(axis=-1) == pytest.approx(np.ones(3))
    np.testing.assert_allclose(means.mean(P[:2], kind), np.eye(3), atol=1e-9)


LABELS = labels_of(20, 5)


def runs():
    direction = 2 * np.random.default_rng(9).standard_normal((20, 5))
    found = [training(np.random.default_rng(i), LABELS, 5, 8, 6, direction) for i in range(3)]
    return found, [geodesic.progress(x, LABELS) for x in found]


def test_at_equal_progress_it_is_the_mean_of_what_is_re_indexed():
    found, progress = runs()
    grid = np.linspace(max(p[0] for p in progress) + 1e-3, min(p.max() for p in progress) - 1e-3, 6)
    P = np.array([trajectory.reindex(x, p, grid) for x, p in zip(found, progress)])
    every = means.at_progress(found, progress, grid)
    for kind, path in every.items():
        np.testing.assert_allclose(path, means.mean(P, kind), atol=1e-10)
    np.testing.assert_allclose(every["arithmetic"], trajectory.mean(list(P)), atol=1e-12)
    with pytest.raises(InputError, match="cannot be re-indexed"):
        means.at_progress(found, progress, np.array([0.9999]))


def test_at_equal_steps_it_is_the_mean_of_checkpoints_and_others_are_refused(tmp_path):
    found, _ = runs()
    for kind, path in means.at_steps(found).items():
        np.testing.assert_allclose(path, means.mean(np.array(found), kind), atol=1e-10)
    for i, times in enumerate((np.arange(8), np.arange(8) * 2)):
        predictions.write(tmp_path / f"preds_{i}.h5", found[i], labels=LABELS, t=times)
    opened = [predictions.open_trajectory(tmp_path / f"preds_{i}.h5") for i in range(2)]
    with pytest.raises(InputError, match="has other checkpoints than"):
        means.at_steps(opened)


@pytest.mark.parametrize(
    "P, kind, message",
    [
        (some(), "median", "mean 'median' is not one of arithmetic, geometric"),
        (2 * some(), "root", r"an array \(5, 7, 4\) of something else"),
        (some()[..., :1], "root", "expected probabilities"),
        (np.zeros(0), "root", "expected probabilities"),
    ],
)
def test_what_is_refused(P, kind, message):
    with pytest.raises(InputError, match=message):
        means.mean(P, kind)


def test_blocks_of_samples_change_nothing():
    rng = np.random.default_rng(3)
    runs = [rng.dirichlet(np.ones(4), size=(5, 23)) for _ in range(3)]
    progress = [np.sort(rng.uniform(0, 1, 5)) for _ in runs]
    grid = np.linspace(max(p[0] for p in progress), min(p[-1] for p in progress), 4)
    for found, blocks in (
        (means.at_progress(runs, progress, grid), means.at_progress(runs, progress, grid, memory=8 * 5 * 3 * 4 * 5)),
        (means.at_steps(runs), means.at_steps(runs, memory=1)),
    ):
        for kind in means.KINDS:
            np.testing.assert_allclose(blocks[kind], found[kind], rtol=0, atol=1e-12)
