"""How much more a network has to know to solve a second task: distances in nats, which have a direction.

    increment      d(D1 -> D2) = I(w12; D1 D2) - I(w1; D1), w12 learned from both tasks, w1 from the first
    conditional    d(D1 -> D2) = 1/2 [ |w - w1|^2 / lambda^2 + sum_j log(1 + lambda^2 N F_jj / beta) ]

I is the information in the weights, `learning.fisher.information`.  The second is the same with a prior N(w1, lambda^2)
that is centred at the network of the first task: what w, learned from D2 or from both, costs whoever has w1 already; it
is never below 0.  (After Achille, Paolini, Mbeng and Soatto 2021, *The information complexity of learning tasks, their
structure and their distance*.)  N F is a sum over images, and so over tasks: N1 F|D1 + N2 F|D2.

Heads are left out, since those of two tasks differ in shape: only what stands before counts.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from info_geometry.files import InputError
from learning.fisher import Information, information
from learning.fisher.laplace import Terms
from learning.fisher.subject import layer_of, positive, weights_of


@dataclasses.dataclass(frozen=True)
class Known:
    """The diagonal of the Fisher information of a network on images of a task, and their number N.

    fisher: {parameter: F_jj}, averaged over images, as from `learning.fisher.diagonal`; the head may be missing.
    """

    fisher: Mapping[str, torch.Tensor]
    samples: int


class Distance(Terms):
    """The two terms of a distance, in nats, in each layer but the head."""


def body_information(
    network: nn.Module,
    known: Sequence[Known],
    variance: float | Mapping[str, float],
    beta: float = 1.0,
    head: str = "head",
) -> Information:
    """Return `learning.fisher.information` of a network on all images of some tasks, without the layers of its head.

    known: of the network, on each task.  variance: lambda^2, one for all or {layer: one}, with the head's or without.
    head: the name of the module that is left out.
    Raises InputError as `information` does, if the network has no such module, or no other weights, and without tasks.
    """
    weights = weights_of(network)
    left = _of_head(network, head)
    if left == set(weights):
        raise InputError(f"the network has no weights beside its head {head!r}")
    if not known:
        raise InputError("there are no tasks; expected the Fisher information on at least one")
    for each in known:
        positive(each.samples, "number of samples")
    samples = sum(each.samples for each in known)
    fisher = {name: torch.zeros_like(w, dtype=torch.float64) for name, w in weights.items()}
    for name in weights.keys() - left:
        for each in known:
            if name not in each.fisher or each.fisher[name].shape != weights[name].shape:
                raise InputError(f"the Fisher information is not of this network: {name} is missing or of other shape")
            fisher[name] += each.fisher[name].double().to(weights[name].device) * (each.samples / samples)
    heads = {layer_of(name) for name in left}
    if isinstance(variance, Mapping):
        variance = {**dict.fromkeys(heads, 1.0), **{k: v for k, v in variance.items() if k not in heads}}
    found = information(network, fisher, samples, variance, beta)
    return Information(
        {layer: x for layer, x in found.norms.items() if layer not in heads},
        {layer: x for layer, x in found.determinants.items() if layer not in heads},
        {name: x for name, x in found.variances.items() if name not in left},
    )


def increment(
    first: nn.Module,
    alone: Known,
    both: nn.Module,
    together: Sequence[Known],
    variance: float | Mapping[str, float],
    beta: float = 1.0,
    head: str = "head",
) -> Distance:
    """Return d(D1 -> D2) = I(w12; D1 D2) - I(w1; D1), in nats; it may be negative where w12 is short or flat.

    first, alone: the network of D1, and what it knows of it.  both, together: a network of both tasks, learned from the
    same initial weights, and what it knows of each.  variance, beta, head: as for `body_information`, of both networks.
    Raises InputError as `body_information` does, and if the two differ in anything but their heads.
    """
    _same(first, both, head)
    before = body_information(first, [alone], variance, beta, head)
    after = body_information(both, together, variance, beta, head)
    return Distance(
        {layer: after.norms[layer] - x for layer, x in before.norms.items()},
        {layer: after.determinants[layer] - x for layer, x in before.determinants.items()},
    )


def conditional(
    first: nn.Module,
    after: nn.Module,
    known: Sequence[Known],
    variance: float | Mapping[str, float],
    beta: float = 1.0,
    head: str = "head",
) -> Distance:
    """Return 1/2 [ |w - w1|^2 / lambda^2 + sum_j log(1 + lambda^2 N F_jj / beta) ], in nats.

    first: the network w1 of D1, the centre of the prior.  after, known: a network w, as learned from there, and what it
    knows of D2, or of D1 and D2.  Other arguments and errors are those of `increment`.
    """
    _same(first, after, head)
    found = body_information(after, known, variance, beta, head)
    w1, w, norms = weights_of(first), weights_of(after), dict.fromkeys(found.norms, 0.0)
    for name, lambda2 in found.variances.items():
        moved = w[name].double() - w1[name].double().to(w[name].device)
        norms[layer_of(name)] += moved.square().sum().item() / lambda2 / 2
    return Distance(norms, found.determinants)


def _of_head(network, head):
    """Return the names of the parameters of a head, which may have none."""
    modules = dict(network.named_modules())
    if head not in modules or not head:
        raise InputError(f"the network has no head {head!r}; its last modules are {', '.join(list(modules)[-3:])}")
    return {name for name in weights_of(network) if name.startswith(head + ".")}


def _same(first, other, head):
    """Raise InputError unless two networks have the same layers and shapes, but for their heads."""
    shapes = []
    for network in (first, other):
        weights = weights_of(network)
        left = _of_head(network, head)
        shapes.append({name: tuple(w.shape) for name, w in weights.items() if name not in left})
    if shapes[0] != shapes[1]:
        names = [name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)]
        raise InputError(f"the networks differ in {', '.join(sorted(names)[:3])}; expected the same but for heads")
