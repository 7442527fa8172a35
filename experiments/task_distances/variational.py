"""The Fisher information of filters from the noise that they bear: Gaussian weights around fixed means.

    E_z CE(p_w, p_{w + z}) + beta KL(q || p),   z_o ~ N(0, sigma_o^2), one variance a filter,   p = N(w, lambda^2)

is minimised over log sigma^2.  CE is the mean over inputs of the cross entropy of predictions with noise to those
without, that is, labels are the model's own.  To second order E CE = const + 1/2 sum_o sigma_o^2 sum_j F_jj, and then

    beta / sigma_o^2 = mean_j F_jj + beta / lambda^2        (j in filter o)

Published code (Achille et al. 2019) has labels of the task, a head that moves, a lambda that is learned, a floor of
0.01 below squares of inputs, and noise on the outputs of layers, independent at each position of a convolution, under
which the minimum is another one; and it stops after few steps, far from it.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call, vmap

from info_geometry.files import InputError
from learning.fisher import trace
from learning.fisher.subject import Subject, at_least, opened, positive

MEMORY = 0.9, 0.99  # of Adam: gradients shrink by orders of magnitude on the way
HELD = 2**24  # numbers of weights with noise held at once


def filter_precisions(
    network: nn.Module,
    inputs: torch.Tensor,
    names: Sequence[str],
    *,
    beta: float = 1e-6,
    steps: int = 3000,
    rate: float = 0.05,
    batch: int = 100,
    seed: int = 0,
    tolerance: float = 0.05,
    start: float | None = None,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return beta / sigma^2 of each filter, {weight: (filters,)}, float64, and what it is where F = 0, beta / lambda^2.

    network: that of `learning.fisher`, with inputs (N, ...).  names: of weights, whose first axis counts filters.
    lambda^2: the mean square of each weight; beta: for a mean, not a sum, over inputs.  Adam takes `steps` of `rate`,
    each with `batch` random inputs, whose noise is independent and comes with both signs.  log sigma^2 is the mean over
    the last quarter of steps; it begins at log(start lambda^2), by default where it is best for the mean of F over each
    weight, from one sampled label an input.

    Raises InputError for what `learning.fisher.trace` does, if a number is not positive, and if that mean differs from
    the one over the quarter before by `tolerance` or more, on average over filters: if it has not converged.
    """
    for value, what in ((beta, "beta"), (rate, "rate"), (tolerance, "tolerance"), (start, "start")):
        if value is not None and not (what == "tolerance" and value == math.inf):
            positive(value, what)
    at_least(8, steps, "steps")
    at_least(1, batch, "batch")
    with opened(network, inputs) as subject:
        weights = {name: subject.weights[name] for name in names}
        prior = {name: w.square().mean().clamp_min(1e-30).log() for name, w in weights.items()}
        first = {name: x + math.log(start or 1) for name, x in prior.items()}
        if start is None:
            first = _first(subject, prior, beta, seed)
        v = {name: first[name].expand(len(w)).clone().requires_grad_() for name, w in weights.items()}
        batch = max(1, min(batch, len(inputs), HELD // sum(w.numel() for w in weights.values())))
        generator, optimiser = torch.Generator().manual_seed(seed), torch.optim.Adam(v.values(), rate, MEMORY)
        sums = [{name: torch.zeros(len(w), dtype=torch.float64) for name, w in weights.items()} for _ in range(2)]
        quarter = steps // 4
        for step in range(steps):
            divergence = sum(_divergence(v[name], prior[name], w[0].numel()) for name, w in weights.items())
            loss = _cross_entropy(subject, weights, v, batch, generator) + beta * divergence
            optimiser.zero_grad()
            loss.backward(inputs=list(v.values()))
            optimiser.step()
            if step >= steps - 2 * quarter:
                for name, total in sums[step >= steps - quarter].items():
                    total += v[name].detach().double().cpu() / quarter
    moved = torch.cat([(sums[1][name] - sums[0][name]).abs() for name in names]).mean().item()
    if not moved < tolerance:
        raise InputError(
            f"log variances still move, by {moved:.3g} on average over the last {quarter} of {steps} steps; expected "
            f"below {tolerance}: give more steps"
        )
    floors = {name: beta * (-prior[name].double()).exp().cpu().expand(len(v[name])) for name in names}
    return {name: beta * (-sums[1][name]).exp() for name in names}, floors


def _cross_entropy(subject, weights, v, batch, generator):
    """Return the mean cross entropy of predictions without noise and with noise of log variances v, of random inputs.

    Each input has noise of its own, and with it the same noise of the other sign, so that what is odd in it cancels.
    """
    chosen = torch.randperm(len(subject.inputs), generator=generator)[:batch].to(subject.inputs.device)
    P = subject.probabilities[chosen].to(subject.inputs)
    constant = {name: w for name, w in subject.weights.items() if name not in weights}
    noise = {}
    for name, w in weights.items():
        z = torch.randn(batch, *w.shape, generator=generator).to(w)
        noise[name] = z * (v[name] / 2).exp().view(-1, *[1] * (w.ndim - 1))

    def logits(moved, x):
        return functional_call(subject.network, {**constant, **moved}, (x[None],))[0]

    total = 0.0
    for sign in (1, -1):
        found = vmap(logits)({name: w + sign * noise[name] for name, w in weights.items()}, subject.inputs[chosen])
        total = total - (P * torch.log_softmax(found, dim=1)).sum() / batch / 2
    return total


def _first(subject: Subject, prior, beta, seed):
    """Return the log sigma^2 of each weight that is best if all of its filters are alike."""
    traces = trace(subject.network, subject.inputs, "sampled", seed=seed, layers=list(prior))
    means = {name: traces[name].value / subject.weights[name].numel() for name in prior}
    return {name: math.log(beta) - (means[name] + beta * (-x).exp()).log() for name, x in prior.items()}


def _divergence(v, prior, size):
    """Return KL(N(0, e^v) || N(0, e^prior)) of all filters of a weight, each of `size` numbers."""
    return 0.5 * size * ((v - prior).exp() - 1 - (v - prior)).sum()
