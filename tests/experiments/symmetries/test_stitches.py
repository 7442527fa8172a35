"""Stitches: what each family allows, how it is trained, and what the penalty of the published code does."""

import math

import numpy as np
import pytest
import torch

from experiments.symmetries import stitches
from info_geometry.files import InputError


def features(seed=0, samples=40, channels=6):
    return np.random.default_rng(seed).normal(size=(samples, channels, 3, 2)).clip(min=0)


def steps(stitch, target, count=200, rate=0.05):
    """Train a stitch to turn random features into target @ features."""
    rng = torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(stitch.parameters(), lr=rate)
    stitch.train()
    for _ in range(count):
        x = torch.randn(64, target.shape[1], generator=rng)
        optimiser.zero_grad()
        ((stitch(x) - x @ target.T).square().mean() + stitch.penalty()).backward()
        optimiser.step()
        stitch.project_(rate)
    return stitch.eval()


def test_applied_to_maps_and_to_vectors():
    W = torch.randn(4, 3)
    x = torch.randn(5, 3, 2, 7)
    assert torch.allclose(stitches.apply(W, x), torch.einsum("ij,njhw->nihw", W, x), atol=1e-6)
    assert torch.allclose(stitches.apply(W, x[:, :, 0, 0]), x[:, :, 0, 0] @ W.T)
    with pytest.raises(InputError, match=r"stitch of 3 channels was given features \(5, 4, 2, 2\)"):
        stitches.apply(W, torch.randn(5, 4, 2, 2))


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_rank(rank):
    found = stitches.LowRank(6, 5, rank, seed=0)
    assert torch.linalg.matrix_rank(found.soft()) == rank and found.hard().shape == (5, 6)
    with pytest.raises(InputError, match="rank is 6, expected 1 to 5"):
        stitches.LowRank(6, 5, 6, 0)


def test_full_stitch_learns_any_matrix():
    target = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    found = steps(stitches.Full(6, 4, seed=0), target, 400, 0.3)
    assert torch.allclose(found.hard(), target, atol=0.02)


def test_lasso_sets_entries_to_zero_and_the_proximal_step_is_that_of_its_penalty():
    found = stitches.Lasso(6, 6, strength=0.3, seed=0)
    before = found.weight.detach().clone()
    found.project_(0.5)
    grid = torch.linspace(-1, 1, 200_001, dtype=torch.float64)
    for w, x in zip(before.flatten()[:6], found.weight.detach().flatten()[:6]):
        best = grid[((grid - w.double()).square() / 2 + 0.5 * 0.3 * grid.abs()).argmin()]
        assert abs(best - x) < 2e-5
    target = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]))
    trained = steps(stitches.Lasso(6, 6, strength=0.2, seed=0), target)
    assert trained.sparsity() == pytest.approx(30 / 36)


def test_sinkhorn_is_doubly_stochastic_and_takes_factors_away():
    M = torch.rand(7, 7, dtype=torch.float64)
    found = stitches.sinkhorn(M, 200)
    ones = torch.ones(7, dtype=torch.float64)
    assert torch.allclose(found.sum(dim=0), ones) and torch.allclose(found.sum(dim=1), ones)
    assert torch.allclose(stitches.sinkhorn(5 * M, 16), stitches.sinkhorn(M, 16))
    assert (
        1 <= found.norm() <= math.sqrt(7)
        and torch.isfinite(stitches.sinkhorn(torch.zeros(3, 3) + torch.eye(3), 9)).all()
    )


def test_monomial_stitch_finds_a_planted_permutation_with_scales():
    permutation, scales = torch.tensor([2, 0, 3, 1]), torch.tensor([0.5, 2.0, 1.0, 1.5])
    target = torch.zeros(4, 4)
    target[permutation, torch.arange(4)] = scales
    found = steps(stitches.Monomial(4, seed=0, alpha=0.01), target, 2000, 0.05)
    assert torch.allclose(found.hard(), target, atol=0.1) and found.saturation() > 0.9
    assert ((found.hard() != 0).sum(dim=0) == 1).all() and ((found.hard() != 0).sum(dim=1) == 1).all()


def test_monomial_stitch_starts_where_it_is_told():
    found = stitches.Monomial(5, 0, start=[4, 0, 3, 1, 2], scales=[1, 2, 3, 4, 5]).eval().hard()
    assert found.argmax(dim=0).tolist() == [4, 0, 3, 1, 2]
    assert found.sum(dim=0).tolist() == pytest.approx([1, 2, 3, 4, 5])


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_the_published_penalty_only_shrinks_the_step_and_the_centred_one_does_not(alpha):
    """-alpha |M| has its gradient along M: (1 + c) M - eta g is Sinkhorn-equal to M - eta g / (1 + c)."""
    M = stitches.sinkhorn(torch.rand(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2)), 500)
    g, eta = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3)), 0.01

    def stepped(gradient, rate):
        return stitches.sinkhorn((M - rate * gradient).clamp(min=0), 2000)

    c = eta * alpha / float(M.norm())
    published = stepped(g - alpha * M / M.norm(), eta)
    assert torch.allclose(published, stepped(g, eta / (1 + c)), atol=1e-9)
    centred = M - 1 / 6
    moved = stepped(g - alpha * centred / centred.norm(), eta)
    assert moved.norm() > published.norm() + 1e-4 * alpha


def test_gumbel_sinkhorn_is_nearer_to_a_permutation_when_it_is_cold():
    found = stitches.GumbelSinkhorn(5, seed=0, final_tau=1e-3)
    warm = found.saturation()
    found.cool(1.0)
    assert warm == pytest.approx(1 / math.sqrt(5), abs=0.01) and found.saturation() > 1.5 * warm
    assert torch.isfinite(found.soft()).all()
    target = torch.eye(5)[[1, 2, 3, 4, 0]]
    trained = stitches.GumbelSinkhorn(5, seed=1, tau=0.5)
    assert torch.allclose(steps(trained, target, 3000, 0.5).hard(), target, atol=0.1)


def test_features_planted_are_matched_exactly():
    a = features()
    permutation, scales = np.array([3, 1, 5, 0, 2, 4]), np.exp(np.random.default_rng(1).normal(size=6))
    b = np.empty_like(a)
    b[:, permutation] = a * scales[:, None, None]
    found = stitches.matched(a, b).numpy()
    expected = np.zeros((6, 6))
    expected[permutation, np.arange(6)] = scales
    assert np.allclose(found, expected, atol=1e-12)
    with pytest.raises(InputError, match="as many channels, not 6 and 5"):
        stitches.matched(a, b[:, :5])


def test_a_planted_rotation_is_found_and_no_permutation_is_nearer():
    a, Q = features(), np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    b = np.einsum("ij,njhw->nihw", Q, a)
    assert np.allclose(stitches.rotation(a, b).numpy(), Q)
    c = features(5)

    def error(W):
        return np.square(np.einsum("ij,njhw->nihw", W, a) - c).sum()

    best = stitches.matched(a, c).numpy() != 0
    assert error(stitches.rotation(a, c).numpy()) <= error(best.astype(float))
