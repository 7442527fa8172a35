"""The stitch of each kind, as it is before it learns."""

import numpy as np
import pytest
import torch

from experiments.symmetries import kinds, stitches
from experiments.symmetries.config import StitchConfig
from info_geometry.files import InputError
from tests.experiments.symmetries.stitch_runs import config

CLASSES = {
    "full": stitches.Full,
    "low_rank": stitches.LowRank,
    "lasso": stitches.Lasso,
    "g_relu": stitches.Monomial,
    "gumbel_sinkhorn": stitches.GumbelSinkhorn,
}
PERMUTATION = np.array([2, 0, 3, 1, 4])
SCALES = np.array([0.5, 2.0, 1.0, 3.0, 0.1])


def features():
    """Return features of a sender, and those of a receiver that a planted permutation with scales makes of them."""
    a = np.random.default_rng(0).random((20, 5, 2, 2))
    return a, (a * SCALES[:, None, None])[:, PERMUTATION]


def nothing():
    raise AssertionError("features are not needed")


def built(before=5, after=5, seed=0, given=nothing, **changes):
    return kinds.build(config(**changes), before, after, seed, given)


@pytest.mark.parametrize("kind", StitchConfig.CHOICES["kind"])
def test_the_class_of_each_kind_and_its_seed(kind):
    given = features if kind in ("matched", "procrustes") else nothing
    one, same, other = (built(kind=kind, seed=seed, given=given) for seed in (3, 3, 4))
    assert type(one) is CLASSES.get(kind, stitches.Fixed)
    assert one.hard().shape == (5, 5) and torch.equal(one.hard(), same.hard())
    drawn = kind not in ("identity", "matched", "procrustes")
    assert torch.equal(one.soft(), other.soft()) != drawn
    assert bool(list(one.parameters())) == (kind in CLASSES)


def test_matrices_that_are_drawn():
    assert torch.equal(built(kind="identity").hard(), torch.eye(5))
    P = built(kind="random_permutation").hard()
    assert torch.equal(P.sum(dim=0), torch.ones(5)) and torch.equal(P @ P.T, torch.eye(5))
    Q = built(kind="random_rotation").hard()
    assert torch.allclose(Q @ Q.T, torch.eye(5), atol=1e-6) and (Q.abs() > 1e-3).all()
    G = built(kind="random_g_relu", spread=0.5).hard()
    assert ((G > 0).sum(dim=0) == 1).all() and ((G > 0).sum(dim=1) == 1).all() and (G >= 0).all()
    assert G.sum(dim=0).std() > 0.1
    assert torch.allclose(built(kind="random_g_relu", spread=0.0).hard().sum(dim=0), torch.ones(5))


def planted():
    found = np.zeros((5, 5))
    found[np.arange(5), PERMUTATION] = SCALES[PERMUTATION]
    return torch.from_numpy(found).float()


def test_a_planted_symmetry_is_matched():
    assert torch.allclose(built(kind="matched", given=features).hard(), planted(), atol=1e-5)
    begun = built(kind="g_relu", start="matched", given=features)
    assert torch.allclose(begun.hard(), planted(), atol=1e-5)
    assert (begun.soft() - planted()).norm() < 0.1 * planted().norm()


def test_what_a_configuration_says_of_a_kind():
    assert torch.linalg.matrix_rank(built(kind="low_rank", rank=2).hard()) == 2
    assert built(kind="lasso", strength=0.5).strength == 0.5
    centred, published = (built(kind="g_relu", alpha=2.0, penalty=name) for name in ("centred", "published"))
    assert (centred.alpha, centred.centre, published.centre) == (2.0, 1 / 5, 0.0)
    cooled = built(kind="gumbel_sinkhorn", tau=2.0, final_tau=0.5)
    assert cooled.tau == 2.0
    cooled.cool(0.5), cooled.cool(1.0)
    assert cooled.tau == pytest.approx(0.5)


@pytest.mark.parametrize("kind", StitchConfig.CHOICES["kind"])
def test_between_other_numbers_of_channels(kind):
    if kind in ("full", "low_rank", "lasso"):
        assert built(5, 3, kind=kind).hard().shape == (3, 5)
        return
    with pytest.raises(InputError, match="between as many channels, not 5 and 3; take networks of one width, or one"):
        built(5, 3, kind=kind)


def test_a_rank_that_is_too_large():
    with pytest.raises(InputError, match="rank is 4, expected 1 to 3 for 5 and 3 channels"):
        built(5, 3, kind="low_rank", rank=4)
