"""The Fisher information from noise on the weights, without gradients, and how much noise a network bears."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from info_geometry.files import InputError
from learning.fisher.estimate import Estimate, mean
from learning.fisher.subject import at_least, logits, noisy, opened, parts, per_parameter, positive

STEPS = 10  # halvings of an octave: sigma to 0.1 %
SMALLEST, OCTAVES = 2.0**-14, 40  # where noise begins, relative to the weights, and how far it goes up
TRIES = 30  # divisions by 4 if that is too much already
SUM = 1e-3  # what a sum of probabilities may be off


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How much noise raises the cross entropy by a given number of nats.

    sigma: of the noise; infinite if none does.  rise: mean over draws at that sigma, in nats, and its standard error.
    bits: log2(lambda / sigma) a weight, None without lambda.
    """

    sigma: float
    rise: Estimate
    bits: float | None


def from_predictions(
    network: nn.Module,
    inputs: torch.Tensor,
    sigma: float,
    *,
    draws: int = 20,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    predict: Callable[[nn.Module, torch.Tensor], torch.Tensor] | None = None,
) -> Estimate | dict[str, Estimate]:
    """Return the trace of the Fisher information from predictions alone, and its standard error over draws.

        tr F = lim 8 E d_B(P_w, P_{w + sigma eps}) / sigma^2,   eps ~ N(0, 1),   sigma -> 0

    since d_B(P_w, P_{w + dw}) = dw' F dw / 8 + O(dw^3), d_B being the mean Bhattacharyya distance, here without a
    floor.  The bias is O(sigma^2).  In float32, sigma below about 1e-5 of the weights measures rounding.

    inputs: (N, ...).  layers: {name: estimate} of each, by noise on it alone: of a layer, module, parameter or filter
    ("body.0.weight[3]"); the part of tr F that is its own.  predict: (network, inputs) -> probabilities (N, C), where
    they come about in another way than by a softmax of outputs, such as by imprinting; noise is on the network it is
    given, a copy.

    Raises InputError for what `trace` does, if sigma is not positive, and if what predict returns is no probabilities.
    """
    positive(sigma, "sigma")
    at_least(1, draws, "draws")
    with opened(network, inputs) as subject, torch.no_grad():
        found = {}
        if predict is not None:
            P = _probabilities(predict(network, subject.inputs), len(inputs))
        else:
            P = subject.probabilities
        for name, part in parts(subject.weights, layers).items():
            values = []
            for other in noisy(network, part, sigma, draws, seed):
                if predict is not None:
                    Q = _probabilities(predict(other, subject.inputs), len(inputs))
                else:
                    Q = torch.softmax(logits(other, subject.inputs), dim=1)
                values.append(8 * _bhattacharyya(P, Q) / sigma**2)
            found[name] = mean(torch.stack(values))
            if not math.isfinite(found[name].value):
                raise InputError(f"with noise of {sigma} predictions have nothing in common; expected less noise")
    return found[""] if layers is None else found


def noise_curve(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    rise: float = 0.1,
    draws: int = 5,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    variance: float | Mapping[str, float] | None = None,
) -> Tolerance | dict[str, Tolerance]:
    """Return the smallest sigma at which noise sigma * N(0, 1) on weights raises the mean cross entropy by `rise` nats.

    By bisection of log sigma to 0.1 %, below the first octave at which the mean over draws is above; the draws are the
    same at each sigma.  bits = log2(lambda / sigma): how finely a weight of a size lambda has to be told (after
    Achille and Soatto 2018).

    inputs (N, ...), labels (N,): the true ones.  layers: {name: tolerance} of each, as in `from_predictions`.
    variance: lambda^2, one for all or {layer: one}, as from `prior_variances`; where noise is on several layers it is
    their mean over weights.

    Raises InputError for what `trace` does, and if labels are not N classes, or `rise` is not positive.
    """
    positive(rise, "rise")
    at_least(1, draws, "draws")
    with opened(network, inputs) as subject, torch.no_grad():
        labels = _labels(labels, *subject.probabilities.shape).to(subject.inputs.device)
        lambdas = None if variance is None else per_parameter(subject.weights, variance, "prior variance")
        before = _cross_entropy(logits(network, subject.inputs), labels)
        found = {}
        for name, part in parts(subject.weights, layers).items():

            def rises(sigma, part=part):
                return torch.stack(
                    [_rise(x, subject.inputs, labels, before) for x in noisy(network, part, sigma, draws, seed)]
                )

            weights = {n: subject.weights[n] if i is None else subject.weights[n][i] for n, i in part}
            size = sum(w.numel() for w in weights.values())
            scale = math.sqrt(sum(w.double().square().sum().item() for w in weights.values()) / size) or 1.0
            sigma = _crossing(lambda sigma, rises=rises: rises(sigma).mean().item() - rise, scale)
            bits = None
            if lambdas is not None:
                lambda2 = sum(lambdas[n] * w.numel() for n, w in weights.items()) / size
                bits = math.log2(math.sqrt(lambda2) / sigma) if sigma < math.inf else -math.inf
            at = rises(sigma) if sigma < math.inf else torch.full((draws,), math.nan)
            found[name] = Tolerance(sigma, mean(at), bits)
    return found[""] if layers is None else found


def _crossing(excess, scale):
    """Return the smallest sigma at which excess > 0, as far as octaves tell; infinity if there is none."""
    low = SMALLEST * scale
    for _ in range(TRIES):
        if excess(low) <= 0:
            break
        low /= 4
    else:
        raise InputError(f"noise of {low} is too much already; is the loss finite and smooth?")
    for _ in range(OCTAVES):
        if excess(2 * low) > 0:
            break
        low *= 2
    else:
        return math.inf
    high = 2 * low
    for _ in range(STEPS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return math.sqrt(low * high)


def _rise(network, inputs, labels, before):
    try:
        return _cross_entropy(logits(network, inputs), labels) - before
    except InputError:  # not finite: far too much noise
        return before.new_tensor(math.inf)


def _cross_entropy(z, labels):
    return torch.nn.functional.cross_entropy(z, labels)


def _bhattacharyya(P, Q):
    """Return d_B of probabilities (N, C), float64.

    1 - affinity is half the squared distance of the roots, which loses nothing where predictions are close; the
    affinity itself loses nothing where they are far apart.
    """
    P, Q = P.sqrt(), Q.sqrt()
    gap = (P - Q).square().sum(dim=1) / 2
    return torch.where(gap < 0.5, -torch.log1p(-gap.clamp(max=0.5)), -(P * Q).sum(dim=1).log()).mean()


def _labels(labels, N, C):
    try:
        labels = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError):  # None, texts
        raise InputError(f"labels are a {type(labels).__name__}; expected {N} numbers of classes") from None
    if labels.shape != (N,) or labels.is_floating_point() or labels.is_complex():
        raise InputError(f"labels are {labels.dtype} of shape {tuple(labels.shape)}; expected {N} numbers of classes")
    if labels.min() < 0 or labels.max() >= C:
        raise InputError(f"labels are {int(labels.min())} to {int(labels.max())}; expected 0 to {C - 1}")
    return labels.long()


def _probabilities(P, N):
    P = torch.as_tensor(P).double()
    if P.ndim != 2 or len(P) != N or P.shape[1] < 2 or not (P >= 0).all() or not ((P.sum(1) - 1).abs() < SUM).all():
        raise InputError(
            f"what predict returns, of shape {tuple(P.shape)}, is not probabilities ({N}, C) that sum to 1"
        )
    return P / P.sum(dim=1, keepdim=True)
