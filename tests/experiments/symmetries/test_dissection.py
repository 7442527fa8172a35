"""Selective channels: by hand, unchanged by symmetries, and along the way to a rotation."""

import numpy as np
import pytest
import scipy.linalg
import torch

from experiments.symmetries import dissection, groups, selectivity, stitching
from info_geometry.files import InputError
from tests.experiments.symmetries.made_up import made

LABELS = np.repeat(np.arange(10), 10)
IMAGES = np.random.default_rng(9).normal(size=(100, 1, 4, 4))


def toy(channels=8):
    """Return features before ReLU (100, channels, 2, 3): channel k likes class k."""
    likes = (LABELS[:, None] == np.arange(channels))[:, :, None, None]
    return 3.0 * likes - 1 + 0.3 * np.random.default_rng(0).normal(size=(100, channels, 2, 3))


def rotation(n, seed=0):
    Q = groups.random_rotation(n, np.random.default_rng(seed))
    Q[0] *= np.sign(np.linalg.det(Q))
    return Q


def test_properties_by_hand():
    images = np.zeros((4, 2, 3, 3))
    images[0] = 2.0  # one colour
    images[1, :, 1] = 3.0  # a horizontal line
    images[2, :, :, 1] = 3.0  # a vertical one
    images[3, 0, 0, 0] = 6.0  # a corner, as different from its right as from below
    found = dissection.properties(images)
    assert found["brightness"] == pytest.approx([2, 1, 1, 6 / 18])
    assert found["contrast"] == pytest.approx([0, 2**0.5, 2**0.5, (36 / 18 - 1 / 9) ** 0.5])
    assert found["orientation"] == pytest.approx([0, 1, -1, 0])
    images[3, 0, 0, 1] = 6.0  # H = 36 of the edge at its right, V = 72 of two edges below
    assert dissection.properties(images)["orientation"][3] == pytest.approx((72 - 36) / (72 + 36))


def test_correlations_are_those_of_numpy_and_means_over_pixels():
    rng = np.random.default_rng(0)
    H, values = rng.random((20, 3, 2, 2)), rng.random(20)
    H[:, 1] = 0.1  # the same for all images
    found = dissection.correlation(H, values)
    expected = [np.corrcoef(H[:, c].mean(axis=(1, 2)), values)[0, 1] for c in (0, 2)]
    assert found[[0, 2]] == pytest.approx(expected) and np.isnan(found[1])
    assert dissection.correlation(H[:, :1], -3 * H[:, 0].mean(axis=(1, 2)) + 1) == pytest.approx([-1])


def test_counts_by_hand():
    images = IMAGES + np.linspace(0, 9, 100)[:, None, None, None]
    H = np.zeros((100, 4))
    H[:, 0] = LABELS == 2
    H[:, 1] = dissection.properties(images)["brightness"] + 5
    H[:, 2] = 10 - dissection.properties(images)["contrast"]
    found = dissection.selective(H, LABELS, images)
    assert found == {"live": 3, "class": 1, "brightness": 1, "contrast": 1, "orientation": 0}
    assert tuple(found) == dissection.KINDS


def test_symmetries_change_no_count_and_rotations_do():
    found = dissection.counts(toy(), LABELS, IMAGES, seed=0, draws=6)
    for kind in dissection.KINDS:
        own, symmetry, turned = (found[kind][key] for key in ("own", "symmetry", "turned"))
        assert symmetry.shape == (6,) and turned.shape == (len(dissection.STEPS), 6)
        assert (symmetry == own).all() and (turned[0] == own).all()
    assert found["class"]["own"] == 8 and (found["class"]["turned"][-1] < 8).all()


def test_features_of_a_network():
    network, _ = made("small_cnn", 1, 8, 4)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 1, 8, 8)))
    assert dissection.layers(network) == {"2": "1", "5": "4", "8": "7"}
    H = dissection.before(network, "5", images)
    after = stitching.features(stitching.cut(network, "5")[0], images).numpy()
    assert H.shape == (40, 8, 4, 4) and (H < 0).any() and np.array_equal(np.maximum(H, 0), after)
    labels = np.arange(40) % 5
    found = dissection.counts(H, labels, images.numpy(), 0, 3)
    own = dissection.selective(after, labels, images.numpy())
    assert {kind: value["own"] for kind, value in found.items()} == own and own["live"] > 0
    assert all((value["symmetry"] == value["own"]).all() for value in found.values())
    assert dissection.layers(made("plain_cnn", 1, 8, 4)[0]) == {"1": "0", "3": "2", "5": "4"}
    residual = made("wrn_16_4", 1, 8, 2)[0]
    assert dissection.layers(residual) == {"8": "7"}
    with pytest.raises(InputError, match="layer '7' is no ReLU that stands by itself; there are 8"):
        dissection.before(residual, "7", images)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_powers_lead_from_the_identity_to_a_rotation(n):
    Q = rotation(n)
    found = dissection.powers(Q, (0.0, 0.25, 0.5, 1.0))
    assert np.array_equal(found[0], np.eye(n))
    np.testing.assert_allclose(found[-1], Q, atol=1e-12)
    np.testing.assert_allclose(np.linalg.matrix_power(found[1], 4), Q, atol=1e-12)
    np.testing.assert_allclose(found[1], scipy.linalg.fractional_matrix_power(Q, 0.25), atol=1e-10)
    for A in found:
        np.testing.assert_allclose(A @ A.T, np.eye(n), atol=1e-12)
        assert np.linalg.det(A) > 0


def test_half_turns_have_real_powers():
    Z = rotation(5)
    for signs in ([-1, 1, -1, 1, 1], [-1, -1, -1, 1, -1]):
        Q = Z * signs @ Z.T
        half = dissection.powers(Q, (0.5,))[0]
        np.testing.assert_allclose(half @ half, Q, atol=1e-12)
        np.testing.assert_allclose(half @ half.T, np.eye(5), atol=1e-12)


def test_a_seed_gives_the_same():
    first, second, other = (dissection.counts(toy(), LABELS, IMAGES, seed, 3) for seed in (0, 0, 1))
    assert all(np.array_equal(first[kind][key], second[kind][key]) for kind in first for key in first[kind])
    assert any((first[kind]["turned"] != other[kind]["turned"]).any() for kind in first)


@pytest.mark.parametrize(
    ("before", "labels", "images", "draws", "message"),
    [
        (toy(), LABELS, IMAGES, 0, "0 draws of random matrices; expected 1 or more"),
        (toy(), LABELS[:9], IMAGES, 1, r"expected features \(N, C, ...\) and labels \(N,\)"),
        (toy(), 0 * LABELS, IMAGES, 1, "all samples are of one class"),
        (np.abs(toy()), LABELS, IMAGES, 1, "no feature is below 0; expected those before a ReLU"),
        (-np.abs(toy()), LABELS, IMAGES, 1, "all 8 channels are dead on these images"),
        (toy() * np.nan, LABELS, IMAGES, 1, "expected features .* that are finite"),
        (toy(), LABELS, IMAGES[:9], 1, "a value for each image"),
        (toy(), LABELS, IMAGES[:, 0], 1, r"expected images \(N, channels, height, width\)"),
        (toy(), LABELS, IMAGES[:, :, :1], 1, "of 2 x 2 pixels or more"),
        (toy(), LABELS, 0 * IMAGES + 1, 1, "all 100 images have the same property 1, with which nothing correlates"),
    ],
)
def test_what_is_refused(before, labels, images, draws, message):
    with pytest.raises(InputError, match=message):
        dissection.counts(before, labels, images, 0, draws)


def test_negative_features_and_reflections_are_refused():
    with pytest.raises(InputError, match="expected none below 0: take them after a ReLU"):
        dissection.selective(toy(), LABELS, IMAGES)
    for wrong in (np.diag([1.0, -1]), 2 * np.eye(2), np.eye(3)[:2]):
        with pytest.raises(InputError, match="expected a rotation, orthogonal and of determinant 1"):
            dissection.powers(wrong, (0.5,))
    with pytest.raises(InputError, match=r"a matrix \(8, 9\)"):
        selectivity.transformed(toy(), np.ones((8, 9)))
