"""How much the weights of one network hold of the images that it learned from, in several ways.

Of an ordinary network, or the mean weights of a variational one.  The Fisher information F is of the model's labels, an
average over images (`learning.fisher`).  The trace of a network that is sure of everything tends to 0 whatever its
weights are, so that it is said at one temperature too, at which predictions have a given mean entropy.
"""

import math
from collections.abc import Mapping

import torch

from info_geometry.files import InputError
from learning import fisher
from learning.networks import Network

ENTROPY = 0.5  # nats, of predictions, for the trace at one temperature
RISE = 0.1  # nats, of the cross entropy by noise
MORE = 10.0  # prior variances are said this much larger and smaller too


def told(
    network: Network,
    images: torch.Tensor,
    outputs: torch.Tensor,
    held_out: torch.Tensor,
    samples: int,
    variances: Mapping[str, float],
    beta: float = 1.0,
    determinant_of: int = 30,
) -> dict[str, float]:
    """Return what a network knows, in nats where nothing else is said.

    images (n, ...), outputs (n,): of those that were learned from; held_out (m, ...): others.  samples: N, of which
    these n are some.  variances: lambda^2 of the prior, {layer: one}.  determinant_of: images whose gradients the whole
    F is of, one for each class: so many directions are counted at most.

    `entropy`            mean, of predictions
    `trace`              tr F, and its standard error over images, `trace_error`
    `trace_held_out`     ... on other images
    `trace_at_entropy`   ... at the temperature at which the mean entropy is 0.5 nats, nan where there is none
    `norm`, `determinant`          the terms of 1/2 [|w|^2 / lambda^2 + sum_j log(1 + lambda^2 N F_jj / beta)]
    `determinant_wider`, `determinant_narrower`     ... the second, of prior variances 10 times as large, or as small
    `log_determinant`    1/2 log det(I + lambda^2 N F / beta) of the whole F
    `noise`              the deviation sigma of noise on weights that raises the cross entropy by 0.1 nats, and
    `bits`               ... log2(lambda / sigma), in bits a weight
    """
    found = fisher.diagonal(network, images)
    trace = fisher.trace(network, images)
    each = {
        name: fisher.information(network, found, samples, {layer: factor * x for layer, x in variances.items()}, beta)
        for name, factor in (("", 1.0), ("_wider", MORE), ("_narrower", 1 / MORE))
    }
    tolerance = fisher.noise_curve(network, images, outputs, rise=RISE, variance=variances)
    scale = {layer: samples / beta * x for layer, x in variances.items()}
    return {
        "entropy": fisher.entropy(network, images),
        "trace": trace.value,
        "trace_error": trace.error,
        "trace_held_out": fisher.trace(network, held_out).value,
        "trace_at_entropy": _at_entropy(network, images),
        "norm": each[""].norm,
        **{f"determinant{name}": x.determinant for name, x in each.items()},
        "log_determinant": fisher.log_determinant(network, images[:determinant_of], scale) / 2,
        "noise": tolerance.sigma,
        "bits": tolerance.bits,
    }


def of_layers(network: Network, images: torch.Tensor, held_out: torch.Tensor) -> dict[str, float | list[float]]:
    """Return the Fisher information of each layer, of images (n, ...) that were learned from and others (m, ...).

    `entropy`, `trace`, `trace_held_out`, `trace_at_entropy` as `told` has them, and `layers`, `layers_held_out`,
    `layers_at_entropy`: the parts that layers have in these, in the network's order (`learning.fisher.layers`).
    """
    cooled = _cooled(network, images)
    of = {"": (network, images), "_held_out": (network, held_out), "_at_entropy": (cooled, images)}
    found = {"entropy": fisher.entropy(network, images)}
    for name, (which, x) in of.items():
        known = which is not None
        parts = list(fisher.traces(which, x).values()) if known else [math.nan] * len(fisher.layers(network))
        found |= {f"trace{name}": sum(parts), f"layers{name}": parts}
    return found


def _at_entropy(network, images):
    cooled = _cooled(network, images)
    return math.nan if cooled is None else fisher.trace(cooled, images).value


def _cooled(network, images):
    """Return a network at the temperature at which predictions have ENTROPY, or None where there is none."""
    try:
        return fisher.at_temperature(network, fisher.temperature_for(network, images, ENTROPY))
    except InputError:  # all logits are the same
        return None
