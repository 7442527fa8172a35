"""What is said to pass through an activation does, and what is said not to, does not, whatever B one takes."""

import math

import numpy as np
import pytest
import scipy.optimize
import torch

from experiments.symmetries import groups
from info_geometry.files import InputError

SEEDS = range(3)
NAMES = (*groups.ACTIVATIONS, "power2", "power3")
n = 5


def apply(name, x):
    return groups.activation(name).function(torch.from_numpy(np.array(x, np.float64))).numpy()


def unexplained(name, A, rng):
    """Return the share of sigma(A x) that no B explains: the relative residual of the best B for many x."""
    x = 2 * rng.standard_normal((n, 400))
    after, before = apply(name, A @ x), apply(name, x)
    B = np.linalg.lstsq(before.T, after.T, rcond=None)[0].T
    return np.linalg.norm(after - B @ before) / np.linalg.norm(after)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_elements_pass_through(name, seed):
    rng = np.random.default_rng(seed)
    A, x = groups.random_element(name, n, rng), rng.standard_normal((n, 100))
    assert A.shape == (n, n) and A.dtype == np.float64 and groups.is_element(name, A)
    np.testing.assert_allclose(apply(name, A @ x), groups.phi(name, A) @ apply(name, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_rotation_passes_through_the_identity_alone(name):
    rng = np.random.default_rng(0)
    A = groups.random_rotation(n, rng)
    if name == "identity":
        assert groups.is_element(name, A) and unexplained(name, A, rng) < 1e-12
    else:
        assert not groups.is_element(name, A) and unexplained(name, A, rng) > 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        lambda P: P * [2, 1, 0.5, 3, 1],
        lambda P: P * [1, -1, 1, 1, -1],
        lambda P: P * [2, -1, 0.5, -3, 1],
        lambda P: P + 0.1 * np.roll(P, 1, axis=0),
        lambda P: 2 * P,
        lambda P: -P,
        lambda P: P,
    ],
)
def test_elements_are_those_for_which_there_is_a_matrix(name, change):
    """Tells positive scales from signs, and signs from none: for relu and x^2, relu and tanh, tanh and sigmoid."""
    rng = np.random.default_rng(1)
    A = change(np.eye(n)[rng.permutation(n)])
    share = unexplained(name, A, rng)
    assert share < 1e-10 if groups.is_element(name, A) else share > 1e-3, share


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_groups_are_groups_and_phi_respects_them(name, seed):
    rng = np.random.default_rng(seed)
    A, B = (groups.random_element(name, n, rng) for _ in range(2))
    assert groups.is_element(name, A @ B) and groups.is_element(name, np.linalg.inv(A))
    np.testing.assert_allclose(groups.phi(name, A @ B), groups.phi(name, A) @ groups.phi(name, B), atol=1e-12)
    np.testing.assert_allclose(groups.phi(name, np.linalg.inv(A)), np.linalg.inv(groups.phi(name, A)), rtol=1e-9)
    np.testing.assert_array_equal(groups.phi(name, np.eye(n)), np.eye(n))


@pytest.mark.parametrize("name", NAMES)
def test_phi_is_what_unit_vectors_say(name):
    A = groups.random_element(name, n, np.random.default_rng(2))
    found = apply(name, A) @ np.linalg.inv(apply(name, np.eye(n)))
    np.testing.assert_allclose(groups.phi(name, A), found, atol=1e-12)


def test_scales_are_log_normal_of_mean_one():
    rng = np.random.default_rng(0)
    for name, signs in (("relu", {1.0}), ("power3", {-1.0, 1.0})):
        d = groups.random_element(name, 3000, rng, spread=1.0).sum(axis=1)
        assert set(np.sign(d)) == signs
        assert np.mean(np.abs(d)) == pytest.approx(1, abs=0.1)
        assert np.std(np.log(np.abs(d))) == pytest.approx(1, abs=0.05)
        assert np.median(np.abs(d)) == pytest.approx(math.exp(-0.5), abs=0.05)
    d = groups.random_element("relu", 50, rng, spread=0)
    assert groups.is_element("gelu", d)  # a permutation
    A = groups.random_element("identity", 50, rng, spread=0)
    np.testing.assert_allclose(A @ A.T, np.eye(50), atol=1e-12)


def test_all_permutations_are_as_likely():
    rng = np.random.default_rng(0)
    total = sum(groups.random_element("sigmoid", 3, rng) for _ in range(3000))
    np.testing.assert_allclose(total / 3000, 1 / 3, atol=0.05)


def test_rotations_are_orthogonal_and_uniform():
    """Moments of Haar: E Q = 0, E Q_ij^2 = 1/n, E Q_11 Q_22 Q_12 Q_21 = -1 / (n (n-1) (n+2)), E (tr Q)^2 = 1."""
    rng = np.random.default_rng(0)
    every = np.array([groups.random_rotation(3, rng) for _ in range(4000)])
    np.testing.assert_allclose(every @ every.swapaxes(1, 2), np.broadcast_to(np.eye(3), every.shape), atol=1e-12)
    np.testing.assert_allclose(every.mean(axis=0), 0, atol=0.04)  # about 4 standard errors; without signs 0.5
    np.testing.assert_allclose(np.square(every).mean(axis=0), 1 / 3, atol=0.02)
    four = every[:, 0, 0] * every[:, 1, 1] * every[:, 0, 1] * every[:, 1, 0]
    assert four.mean() == pytest.approx(-1 / 30, abs=0.005)
    assert np.square(np.trace(every, axis1=1, axis2=2)).mean() == pytest.approx(1, abs=0.1)
    assert 0.45 < (np.linalg.det(every) > 0).mean() < 0.55


def test_random_elements_are_repeated_by_their_seed():
    for name in NAMES:
        first, again, other = (groups.random_element(name, 6, np.random.default_rng(s)) for s in (0, 0, 1))
        assert (first == again).all() and (first != other).any()


def test_gelu_nearly_passes_on_scales_near_one():
    """The numbers of the paper's figure."""
    top = scipy.optimize.minimize_scalar(lambda l: -groups.gelu_defect(l), bounds=(0.05, 0.95), method="bounded")
    assert top.x == pytest.approx(0.389, abs=5e-4) and -top.fun == pytest.approx(0.0726, abs=5e-5)
    assert groups.gelu_defect(2.0) == pytest.approx(0.1767, abs=5e-5)
    assert groups.gelu_defect(1e6) / 1e6 == pytest.approx(0.12675, abs=5e-6)
    np.testing.assert_array_equal(groups.gelu_defect([[0.0, 1.0]]), [[0.0, 0.0]])
    assert isinstance(groups.gelu_defect(2), float)


@pytest.mark.parametrize("scale", [0.05, 0.389, 0.99, 1.3, 2, 30, 1000])
def test_the_defect_of_gelu_is_a_root_mean_square(scale):
    """Of GELU(l X) - l GELU(X) by torch's GELU, over a fine grid of X."""
    x = np.linspace(-12, 12, 400_001)
    wrong = apply("gelu", scale * x) - scale * apply("gelu", x)
    weights = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    found = math.sqrt((wrong**2 * weights).sum() * (x[1] - x[0]))
    assert groups.gelu_defect(scale) == pytest.approx(found, rel=1e-6)


def test_messages():
    rng = np.random.default_rng(0)
    for name in ("swish", "power", "power1", "power-2", "power2.5", ""):
        with pytest.raises(
            InputError, match=r"unknown activation .*identity, relu, .*softplus, power2, power3, \.\.\."
        ):
            groups.random_element(name, 3, rng)
    for call in (groups.random_rotation, lambda n, rng: groups.random_element("relu", n, rng)):
        with pytest.raises(InputError, match="1 row or more, not 0"):
            call(0, rng)
    for spread in (-1, math.nan, math.inf):
        with pytest.raises(InputError, match="spread of scales is 0 or more"):
            groups.random_element("relu", 3, rng, spread=spread)
    with pytest.raises(InputError, match="does not pass through relu: expected a permutation with positive scales"):
        groups.phi("relu", -np.eye(3))
    with pytest.raises(InputError, match="does not pass through identity: expected an invertible matrix"):
        groups.phi("identity", np.ones((3, 3)))
    for A in (np.ones((2, 3)), np.ones(3), np.zeros((0, 0)), np.full((2, 2), np.nan)):
        with pytest.raises(InputError, match="expected a square matrix of finite numbers"):
            groups.is_element("tanh", A)
    for scale in (-1, math.nan, [1, math.inf]):
        with pytest.raises(InputError, match="finite numbers of 0 or more"):
            groups.gelu_defect(scale)


def test_zeros_are_no_elements():
    for name in NAMES:
        assert not groups.is_element(name, np.zeros((3, 3)))
        assert not groups.is_element(name, np.diag([1.0, 1.0, 0.0]))
    assert groups.is_element("gelu", np.eye(3) + 1e-7, tol=1e-6) and not groups.is_element("gelu", np.eye(3) + 1e-7)
