"""A network as a function of its weights, on given inputs: checked, in evaluation, with gradients sample by sample."""

import contextlib
import copy
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from info_geometry.files import InputError

FORWARD = 128  # inputs predicted at once
HELD = {"cpu": 2**21, "cuda": 2**27}  # numbers of the gradients held at once; on CPU few are faster
SUM = 1e-4  # outputs >= 0 whose sums are this close to 1 are probabilities

Part = list[tuple[str, int | None]]  # parameters, whole or one index of their first axis


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network in evaluation, its weights by name, inputs (N, ...) as it takes them, and probabilities (N, C)."""

    network: nn.Module
    weights: dict[str, torch.Tensor]
    inputs: torch.Tensor
    probabilities: torch.Tensor

    def gradients(
        self, names: Sequence[str], vectors: Callable[[slice], torch.Tensor], block: int | None
    ) -> Iterator[tuple[slice, int, dict[str, torch.Tensor]]]:
        """Yield gradients of <v, logits(x)> by the weights `names`, {name: (b, *shape)}, of b inputs at once.

        vectors: of a slice of inputs, (b, R, C); each of the R is a round over these inputs.  With each come the slice
        and the number of the round.
        """
        self.check_reached()
        constant = {name: w for name, w in self.weights.items() if name not in names}
        weights = {name: self.weights[name] for name in names}
        block = checked_block(block, sum(w.numel() for w in weights.values()), self.inputs.device)

        def product(weights, x, v):
            return (functional_call(self.network, {**constant, **weights}, (x[None],))[0] * v).sum()

        each = vmap(grad(product), in_dims=(None, 0, 0))
        for start in range(0, len(self.inputs), block):
            where = slice(start, min(start + block, len(self.inputs)))
            V = vectors(where).to(self.inputs)
            for r in range(V.shape[1]):
                with _said("torch.func finds no gradients of this network sample by sample"):
                    found = each(weights, self.inputs[where], V[:, r])
                yield where, r, found

    def check_reached(self) -> None:
        """Raise InputError if outputs do not depend on weights as far as torch knows: gradients would all be 0."""
        weights = {name: w.detach().requires_grad_() for name, w in self.weights.items()}
        with torch.enable_grad(), _said("the network cannot be called with other weights"):
            outputs = functional_call(self.network, weights, (self.inputs[:1],))
        if not outputs.requires_grad:
            raise InputError("no gradient reaches the weights; is the network's forward under no_grad, or detached?")


@contextlib.contextmanager
def opened(network: nn.Module, inputs: torch.Tensor) -> Iterator[Subject]:
    """Give a network on inputs (N, ...) as a `Subject`; its modules are in evaluation until the block ends.

    Inputs are moved to the device and precision of its weights.  Raises InputError if a batch norm has no running
    statistics, if there are no weights or inputs, if inputs are integers or not finite, and if outputs are not logits
    (N, C), C > 1: of another shape, not finite, or probabilities.
    """
    weights = weights_of(network)
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            raise InputError(
                f"batch norm {name!r} keeps no running statistics, so that a prediction depends on the other inputs; "
                "expected track_running_stats=True"
            )
    inputs = checked(inputs).to(next(iter(weights.values())))
    with evaluation(network), sdpa_kernel(SDPBackend.MATH):  # the one attention that vmap knows
        yield Subject(network, weights, inputs, torch.softmax(logits(network, inputs), dim=1))


@contextlib.contextmanager
def evaluation(network: nn.Module) -> Iterator[None]:
    """While the block runs, all modules of a network are in evaluation; then each is again as it was."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@torch.no_grad()
def logits(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return the logits (N, C), float64, of inputs (N, ...); raises InputError if that is not what comes out."""
    found = []
    for x in inputs.split(FORWARD):
        with _said(f"the network does not take inputs of shape {tuple(x.shape)}"):
            z = network(x)
        if not isinstance(z, torch.Tensor) or z.ndim != 2 or len(z) != len(x) or z.shape[1] < 2:
            what = f"of shape {tuple(z.shape)}" if isinstance(z, torch.Tensor) else f"a {type(z).__name__}"
            raise InputError(
                f"outputs for inputs of shape {tuple(x.shape)} are {what}; expected logits ({len(x)}, C), C > 1"
            )
        found.append(z.double())
    z = torch.cat(found)
    if not z.isfinite().all():
        raise InputError(f"logits of {int((~z.isfinite()).any(dim=1).sum())} of {len(z)} inputs are not finite")
    if (z >= 0).all() and (z.sum(dim=1) - 1).abs().max() < SUM:
        raise InputError("outputs are >= 0 and sum to 1, as probabilities do; expected logits, before the softmax")
    return z


def noisy(network: nn.Module, part: Part, sigma: float, draws: int, seed: int) -> Iterator[nn.Module]:
    """Yield copies of a network with sigma * N(0, 1) added to a part of its weights, one a draw.

    Draws depend on the seed, the draw and the part alone; one copy is filled again and again.
    """
    other, generator = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    before, after = dict(network.named_parameters()), dict(other.named_parameters())
    for _ in range(draws):
        with torch.no_grad():
            for name, index in part:
                here = ... if index is None else index
                w = before[name][here]
                noise = torch.randn(w.shape, generator=generator, dtype=torch.float64)
                after[name][here] = w + (sigma * noise).to(w)
        yield other


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return all parameters of a network by name, frozen ones too, detached."""
    if not isinstance(network, nn.Module):
        raise InputError(f"the network is a {type(network).__name__}; expected a torch module")
    if any(isinstance(w, nn.parameter.UninitializedTensorMixin) for w in (*network.parameters(), *network.buffers())):
        raise InputError("the network has lazy layers without weights yet; call it once on an input")
    weights = {name: w.detach() for name, w in network.named_parameters() if w.is_floating_point()}
    if any(w.is_meta for w in weights.values()):
        raise InputError("the network is on the device meta, where there are no numbers")
    if not weights:
        raise InputError("the network has no weights")
    return weights


def layer_of(name: str) -> str:
    """Return the layer of a parameter: the module that holds it; of one that no inner module holds, its own name."""
    return name.rpartition(".")[0] or name


def layers(network: nn.Module) -> dict[str, list[str]]:
    """Return names of parameters by layer, in the network's order.  A layer is a module that holds parameters."""
    found = {}
    for name in weights_of(network):
        found.setdefault(layer_of(name), []).append(name)
    return found


def part(weights: Mapping[str, torch.Tensor], name: str) -> Part:
    """Return the part of weights that a name stands for.

    name: of a layer, or any module ("body"), for all parameters in it; of a parameter ("body.0.weight"); or of a
    filter, an index of a parameter's first axis ("body.0.weight[3]").  Raises InputError if there is none.
    """
    match = re.fullmatch(r"(.+)\[(\d+)\]", name)
    if match and match[1] in weights:
        filters = weights[match[1]].shape[0] if weights[match[1]].ndim else 0
        if int(match[2]) < filters:
            return [(match[1], int(match[2]))]
        raise InputError(f"there is no filter {name!r}; {match[1]} has {filters}, from 0")
    found = [(other, None) for other in weights if other == name or other.startswith(name + ".")]
    if not found:
        raise InputError(f"there is no layer {name!r}; there are {', '.join(dict.fromkeys(map(layer_of, weights)))}")
    return found


def parts(weights: Mapping[str, torch.Tensor], names: Sequence[str] | None) -> dict[str, Part]:
    """Return parts by their names; without names the one of all weights, named ""."""
    if names is None:
        return {"": [(name, None) for name in weights]}
    listed = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else []
    if not listed or not all(isinstance(name, str) for name in listed):
        raise InputError(f"layers are {shown(names)!r}; expected a list of names, or None for all weights at once")
    return {name: part(weights, name) for name in listed}


def per_parameter(weights: Mapping[str, torch.Tensor], values: float | Mapping[str, float], what: str):
    """Return a positive number for each parameter, {name: value}, from one for all, or one for each layer.

    Raises InputError if one is not positive, if a layer is unknown, and if a parameter has none or several.
    """
    given = dict.fromkeys(weights, values)
    if isinstance(values, Mapping):
        given = {}
        for layer, value in values.items():
            for name, index in part(weights, layer):
                if name in given or index is not None:
                    raise InputError(f"{what}: {layer!r} is given beside what holds it; expected one for each layer")
                given[name] = value
        missing = [name for name in weights if name not in given]
        if missing:
            raise InputError(f"{what}: there is none for {', '.join(missing)}; expected one for every layer")
    for value in given.values():
        positive(value, what)
    return {name: float(value) for name, value in given.items()}


def positive(value: float, what: str) -> None:
    """Raise InputError if a number is not positive and finite, or no number."""
    try:
        good = bool(0 < value < float("inf"))
    except (TypeError, ValueError, RuntimeError):  # a text, several numbers
        good = False
    if not good:
        raise InputError(f"{what} is {shown(value)}; expected a positive number")


def shown(value: Any) -> Any:
    """Return a value, or of a tensor or array what kind it is, for a message of one line."""
    return f"a {type(value).__name__} of shape {tuple(value.shape)}" if getattr(value, "ndim", 0) else value


def no_labels(*given: Any) -> None:
    """Raise InputError where labels are given in the place of something else."""
    if any(isinstance(x, (list, tuple)) or getattr(x, "ndim", 0) for x in given):
        raise InputError("labels are given, but those of the Fisher information are the model's own; leave them out")


def at_least(least: int, value: int, what: str) -> None:
    """Raise InputError if a value is not a whole number, or too small."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{what} is {value!r}; expected {least} or more")


def checked_block(block: int | None, size: int, device: torch.device) -> int:
    """Return how many gradients of a size are held at once: a block, or what is sensible."""
    if block is not None:
        at_least(1, block, "block")
        return block
    return max(1, min(1024, HELD.get(device.type, HELD["cuda"]) // max(size, 1)))


def checked(inputs: torch.Tensor) -> torch.Tensor:
    """Return inputs (N, ...); raise InputError unless they are a tensor of finite floating numbers, at least one."""
    if not isinstance(inputs, torch.Tensor):
        raise InputError(f"inputs are a {type(inputs).__name__}; expected a tensor (N, ...)")
    if not inputs.ndim or not inputs.numel():
        raise InputError(f"there are no inputs: their shape is {tuple(inputs.shape)}, expected (N, ...)")
    if not inputs.is_floating_point():
        raise InputError(f"inputs are {inputs.dtype}; expected floating numbers, as the network takes them")
    if not inputs.isfinite().all():
        raise InputError(f"{int((~inputs.isfinite()).sum())} of {inputs.numel()} numbers of the inputs are not finite")
    return inputs


@contextlib.contextmanager
def _said(what):
    """Turn an error of torch, but for memory, into one that says what it means here."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{what}: {(str(error).splitlines() or ['no reason given'])[0]}") from error
