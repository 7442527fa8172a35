"""PAC-Bayes bounds, on a problem of which everything can be computed."""

import itertools
import math

import numpy as np
import pytest
import torch

from experiments.weight_information import bounds
from experiments.weight_information.bounds import above_mean_of_draws, catoni, kl_of_fixed_priors
from info_geometry.files import InputError
from learning import networks
from learning.variational import Variational

RISKS, N = np.array([0.1, 0.3, 0.5]), 12  # three hypotheses are wrong so often, independently of each other


def samples():
    """Yield (probability, share of errors of each hypothesis) of everything that N images may say."""
    chances = [[math.comb(N, k) * r**k * (1 - r) ** (N - k) for k in range(N + 1)] for r in RISKS]
    for errors in itertools.product(range(N + 1), repeat=3):
        yield math.prod(chances[i][k] for i, k in enumerate(errors)), np.array(errors) / N


def gibbs(found, beta):
    """Return the Q that minimises H + beta KL to a uniform prior, which learns most where beta is small; and KL."""
    q = np.exp(-(found - found.min()) * N / beta)
    q /= q.sum()
    return q, float((q[q > 0] * np.log(3 * q[q > 0])).sum())


@pytest.mark.parametrize("beta", [0.6, 1.0, 3.0])
@pytest.mark.parametrize("largest", [1.0, 4.0])
def test_the_bound_fails_at_most_as_often_as_said_and_holds_on_average(beta, largest):
    """Of all samples, and of the worst posterior of several: those of other betas, and the one of least errors."""
    delta, failures, total, left, right = 0.2, 0.0, 0.0, 0.0, 0.0
    for chance, found in samples():
        total += chance
        failed = False
        for other in (beta, 0.1, 10.0):
            q, kl = gibbs(found, other)
            risk, empirical = largest * float(q @ RISKS), largest * float(q @ found)
            failed |= risk > catoni(empirical, kl, N, beta, largest, delta)
            if other == beta:
                left, right = left + chance * risk, right + chance * catoni(empirical, kl, N, beta, largest)
        failures += chance * failed
    assert total == pytest.approx(1) and failures <= delta and left <= right


def test_it_is_the_published_formula_where_losses_are_at_most_1():
    assert catoni(0.3, 5, 100, 2) == pytest.approx((30 + 2 * 5) / (100 * (1 - 1 / 4)))
    assert catoni(1.2, 5, 100, 2, 4, 0.05) == pytest.approx((1.2 + 2 * 4 * (5 + math.log(20)) / 100) / 0.75)
    assert catoni(0, 0, 100, 1) == 0
    assert catoni(0.3, 5, 100, 2, 1, 0.01) > catoni(0.3, 5, 100, 2, 1, 0.1) > catoni(0.3, 5, 1000, 2, 1, 0.1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"samples": 0}, "samples is 0, expected at least 1"),
        ({"beta": 0}, "beta is 0, expected more than 1/2"),
        ({"beta": 0.5}, "beta is 0.5, expected more than 1/2"),
        ({"beta": math.inf}, "beta is inf"),
        ({"delta": 0}, "delta is 0, expected a probability above 0"),
        ({"cross_entropy": 2.5}, "the mean loss is 2.5, expected a number from 0 to 1.0; clip the loss"),
        ({"cross_entropy": math.nan}, "the mean loss is nan"),
        ({"kl": -1}, "KL is -1"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        catoni(**{"cross_entropy": 0.5, "kl": 1, "samples": 10, "beta": 1, **changes})


def test_means_of_draws_are_rarely_so_far_off():
    """The largest variance there is: a loss of 0 or L, each as often."""
    rng, largest, delta, draws = np.random.default_rng(0), 4.0, 0.1, 50
    means = largest * rng.integers(0, 2, (5000, draws)).mean(axis=1)
    below = np.mean([above_mean_of_draws(x, largest, delta, draws) < largest / 2 for x in means])
    assert 0 < below < delta
    assert above_mean_of_draws(1.0, 4.0, 0.1, 50) == pytest.approx(1 + 4 * math.sqrt(math.log(10) / 100))
    assert above_mean_of_draws(3.9, 4.0, 0.1, 50) == 4.0 and above_mean_of_draws(5.0, 4.0, 0.1, 50) == 5.0


def test_priors_of_a_grid_cost_little():
    model = Variational(networks.build("mlp_small", 1, 8, 10, 0))
    learned = sum(float(x.detach()) for x in model.kl().values())
    found = kl_of_fixed_priors(model)
    assert 0 < found - learned - 2 * math.log(251) < 0.001 * learned
    with torch.no_grad():
        for layer in model.layers.values():  # on the grid
            layer.log_prior.fill_(float(bounds.GRID[150]))
    exact = sum(float(x.detach()) for x in model.kl().values())
    assert kl_of_fixed_priors(model) == pytest.approx(exact + 2 * math.log(251))
