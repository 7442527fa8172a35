"""PAC-Bayes bounds on the loss of other images, from what is known of those that a network learned from.

Catoni's bound in the form of McAllester (2013, A PAC-Bayesian tutorial with a dropout bound, theorem 2): for a loss in
[0, L], a prior P and a number b > 1/2, both chosen before the N samples are seen, with probability at least 1 - delta
over them, for all Q at once,

    E_Q R <= [E_Q H / N + b L (KL(Q || P) + log(1 / delta)) / N] / (1 - 1 / (2 b))

R: mean loss of other images; H: loss summed over the N images; all logarithms are natural.  With L = 1 and delta = 1
the right side is (H + b KL) / (N (1 - 1 / (2 b))): then both sides, averaged over samples, are in this order.  A cross
entropy has no upper limit, and so it is clipped at L.

The prior of a layer, N(0, lambda^2), is fitted to the images, which the bound does not allow.  As in Dziugaite and Roy
(2017) log lambda^2 is rounded to a grid that is fixed before, over which the bound holds at once if each layer adds
log(number of points of the grid) to KL.
"""

import math

import numpy as np
import torch

from info_geometry.files import InputError
from learning.variational import Variational

DRAWS = 300  # of weights, over which the loss of a bound is averaged
GRID = np.linspace(-20.0, 5.0, 251)  # log lambda^2, in steps of 0.1


def catoni(
    cross_entropy: float, kl: float, samples: int, beta: float, largest: float = 1.0, delta: float = 1.0
) -> float:
    """Return the bound on the loss of other images, in nats per image, above.

    cross_entropy: E_Q H / N, of a loss in [0, largest].  kl: of all weights, in nats.  samples: N.  beta: b.
    delta: how often the bound may fail; 1: it holds on average over samples, of none in particular.
    Raises InputError for beta of at most 1/2, no samples, and a loss, KL or delta out of range.
    """
    if not samples >= 1:
        raise InputError(f"samples is {samples}, expected at least 1")
    if not (beta > 0.5 and math.isfinite(beta)):
        raise InputError(f"beta is {beta}, expected more than 1/2")
    if not 0 < delta <= 1:
        raise InputError(f"delta is {delta}, expected a probability above 0, at most 1")
    if not 0 <= cross_entropy <= largest < math.inf:
        raise InputError(f"the mean loss is {cross_entropy}, expected a number from 0 to {largest}; clip the loss")
    if not 0 <= kl < math.inf:
        raise InputError(f"KL is {kl}, expected a number of at least 0")
    return (cross_entropy + beta * largest * (kl - math.log(delta)) / samples) / (1 - 1 / (2 * beta))


def above_mean_of_draws(loss: float, largest: float, delta: float, draws: int = DRAWS) -> float:
    """Return what E_Q of a loss in [0, largest] is at most, but with probability delta, given its mean over draws.

        E_Q H <= mean + L sqrt(log(1 / delta) / (2 draws))                                          (Hoeffding 1963)

    and at most L.
    """
    return max(loss, min(largest, loss + largest * math.sqrt(math.log(1 / delta) / (2 * draws))))


@torch.no_grad()
def kl_of_fixed_priors(model: Variational) -> float:
    """Return KL, in nats, to priors on the grid next to those of the network, with what the choice of these costs."""
    total = 0.0
    for layer in model.layers.values():
        nearest = GRID[np.abs(GRID - float(layer.log_prior)).argmin()]
        total += float(layer.kl(torch.tensor(nearest, dtype=layer.log_prior.dtype))) + math.log(len(GRID))
    return total
