"""The Fisher information of each layer, exactly, without gradients of weights where layers are linear maps of vectors.

The gradient of the weights of z = W a + b is d a', with d = dL/dz, so that its square is |d|^2 (|a|^2 + 1): of a
perceptron that takes C backward passes of all inputs at once, and no memory for a gradient of each.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from info_geometry.files import InputError
from learning.fisher.gradients import trace
from learning.fisher.subject import Subject, layers, opened

AT_ONCE = 500  # inputs


def traces(network: nn.Module, inputs: torch.Tensor) -> dict[str, float]:
    """Return the part of tr F that each layer has, {layer: number}, of the exact Fisher information: they sum to tr F.

    network, inputs and errors are those of `trace`, which gives the same numbers.  Where all weights are those of
    linear maps of vectors, each met once, it takes a hundredth of the time of `trace`, else as much.
    """
    names = list(layers(network))
    with opened(network, inputs) as subject:
        found = _of_linear(subject) if _linear(network) else None
    return found or {name: x.value for name, x in trace(network, inputs, layers=names).items()}


def _linear(network):
    """Return whether all weights of a network are those of linear maps, each its own."""
    holding = [module for module in network.modules() if any(w is not None for w in module._parameters.values())]
    weights = [w for module in holding for w in module._parameters.values() if w is not None]
    return all(type(module) is nn.Linear for module in holding) and len(weights) == len(set(map(id, weights)))


def _of_linear(subject: Subject) -> dict[str, float] | None:
    """Return the parts of tr F, or None where a map is met twice, not by vectors, or goes other ways than its own."""
    linear = {name: subject.network.get_submodule(name) for name in layers(subject.network)}
    sums, N = dict.fromkeys(linear, 0.0), len(subject.inputs)
    for start in range(0, N, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        with _met(linear) as met, torch.enable_grad():
            logits = subject.network(subject.inputs[part].clone().requires_grad_())
        if any(len(each) != 1 or each[0][0].ndim != 2 for each in met.values()):
            return None
        given, outputs = ({name: each[0][k] for name, each in met.items()} for k in (0, 1))
        if not start and not _only_there(logits, linear, given, outputs):
            return None
        squares = {name: a.double().square().sum(dim=1) for name, a in given.items()}
        P = subject.probabilities[part]
        for c in range(P.shape[1]):
            v = P[:, c : c + 1].sqrt() * (torch.eye(P.shape[1]).to(P)[c] - P)
            for (name, module), d in zip(linear.items(), _gradients((logits * v.to(logits)).sum(), outputs.values())):
                factor = squares[name] + (module.bias is not None)
                sums[name] += float((d.double().square().sum(dim=1) * factor).sum())
    if not all(x < float("inf") for x in sums.values()):
        raise InputError("gradients of the weights are not finite")
    return {name: x / N for name, x in sums.items()}


def _gradients(value, of):
    """Return the gradients of a number by tensors, 0 by those that it does not depend on."""
    of = list(of)
    found = torch.autograd.grad(value, of, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if d is None else d for x, d in zip(of, found)]


def _only_there(logits, linear, given, outputs):
    """Return whether outputs depend on weights by what these maps give alone: the sum of d a' is the whole gradient."""
    if not logits.requires_grad:
        return False  # `trace` says what is wrong
    free = [name for name, module in linear.items() if module.weight.requires_grad]
    whole = _gradients(logits[:, 0].sum(), [linear[name].weight for name in free])
    each = _gradients(logits[:, 0].sum(), [outputs[name] for name in free])
    sizes = [max(float(g.abs().max()), 1e-30) for g in whole]
    return all(
        float((g - d.T @ given[name]).abs().max()) < 1e-3 * size for name, g, d, size in zip(free, whole, each, sizes)
    )


@contextlib.contextmanager
def _met(linear) -> Iterator[dict[str, list]]:
    """Give what each map meets while the block runs: {layer: [(what it is given, its output), ...]}."""
    met = {name: [] for name in linear}

    def keep(name):
        return lambda module, given, output: met[name].append((given[0].detach(), output))

    hooks = [module.register_forward_hook(keep(name)) for name, module in linear.items()]
    try:
        yield met
    finally:
        for hook in hooks:
            hook.remove()
