"""The Fisher information from gradients, sample by sample: its diagonal, its trace, the determinant of I + a F.

    F = E_x E_{y ~ p_w(.|x)} g g',   g = grad_w log p_w(y|x)

y are the model's labels, never those of a data set, with which g g' is another matrix (Martens 2020; Kunstner et
al. 2019).  They are summed over (exact) or sampled.  With J = dlogits/dw, g = J' (e_y - p); exact sums are
over the C gradients J' sqrt(p_c) (e_c - p).  Networks are in evaluation, gradients in the precision of their weights,
sums in float64.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad

from info_geometry.files import InputError
from learning.fisher.estimate import Estimate, mean
from learning.fisher.subject import at_least, layer_of, no_labels, opened, parts, per_parameter

HOWS = "exact", "sampled", "batch"
ROWS = 3000  # gradients of which there is a Gram matrix
HELD = 2**27  # numbers of them held at once
COLUMNS = 2**13  # ... in float64


def diagonal(
    network: nn.Module, inputs: torch.Tensor, *, layers: Sequence[str] | None = None, block: int | None = None
) -> dict[str, torch.Tensor]:
    """Return the exact diagonal of the Fisher information, {parameter: (its shape)}, float64.

        F_jj = 1/N sum_x sum_c p_w(c|x) (d log p_w(c|x) / d w_j)^2

    network: any module that takes inputs (B, ...) to logits (B, C), each input by itself.  inputs: (N, ...).
    layers: names of layers, modules or parameters, by default all parameters.  block: gradients held at once, by
    default what fits; the result does not depend on it.  It takes C backward passes an input.

    Raises InputError if a batch norm has no running statistics, if there are no inputs, if these are integers or not
    finite, if outputs are not logits (B, C) with C > 1, or are probabilities, if logits or gradients are not finite,
    and for unknown layers.
    """
    with opened(network, inputs) as subject:
        names = _names(subject, layers)
        total = {name: torch.zeros_like(subject.weights[name], dtype=torch.float64) for name in names}
        for _, _, found in subject.gradients(names, _vectors(subject, "exact"), block):
            for name, g in found.items():
                total[name] += g.double().square().sum(dim=0)
    return _finite({name: x / len(inputs) for name, x in total.items()})


def sampled_diagonal(
    network: nn.Module,
    inputs: torch.Tensor,
    *,
    draws: int = 1,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    block: int | None = None,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the diagonal by labels sampled from the model, `draws` an input, and its standard errors over inputs.

    An unbiased estimate of `diagonal`, whose other arguments and errors it has; draws depend on the seed alone.
    """
    at_least(1, draws, "draws")
    with opened(network, inputs) as subject:
        names, vectors = _names(subject, layers), _vectors(subject, "sampled", draws, seed)
        first = {name: torch.zeros_like(subject.weights[name], dtype=torch.float64) for name in names}
        second = {name: torch.zeros_like(x) for name, x in first.items()}
        each = {}
        for _, r, found in subject.gradients(names, vectors, block):
            squares = {name: g.double().square() for name, g in found.items()}
            each = squares if r == 0 else {name: each[name] + x for name, x in squares.items()}
            if r == draws - 1:
                for name, x in each.items():
                    first[name] += x.sum(dim=0)
                    second[name] += x.square().sum(dim=0)
    N = len(inputs)
    means = _finite({name: x / N for name, x in first.items()})
    spread = {name: (second[name] / N - x.square()).clamp(min=0) for name, x in means.items()}
    return means, {name: (x / (N - 1)).sqrt() if N > 1 else torch.full_like(x, torch.nan) for name, x in spread.items()}


def trace(
    network: nn.Module,
    inputs: torch.Tensor,
    how: str = "exact",
    *,
    draws: int = 1,
    batch: int = 50,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    block: int | None = None,
) -> Estimate | dict[str, Estimate]:
    """Return the trace of the Fisher information, tr F = E_x E_y |g|^2, and its standard error.

    how   "exact"     sums over classes; the error is that of the choice of inputs
          "sampled"   `draws` labels an input, drawn from the model; the error over inputs holds that of labels
          "batch"     B |grad of the mean loss of B inputs with sampled labels|^2, averaged over batches of up to
                      `batch` inputs, in random order, `draws` times all of them: unbiased, since E g = 0 and labels
                      are independent; one backward pass a batch; the error is that over batches

    layers: {name: estimate} of each: of a layer, module, parameter or filter ("body.0.weight[3]"), the part of tr F
    that is its own.  Other arguments and errors are those of `diagonal`; `block` plays no part for batches.
    """
    no_labels(how)
    if how not in HOWS:
        raise InputError(f"a trace is computed {', '.join(HOWS)}, not {how!r}")
    at_least(1, draws, "draws")
    at_least(1, batch, "batch")
    with opened(network, inputs) as subject:
        wanted = parts(subject.weights, layers)
        names, weights = _named(subject, wanted), None
        if how == "batch":
            values, weights = _batches(subject, wanted, names, draws, batch, seed)
        else:
            zeros = torch.zeros(len(inputs), dtype=torch.float64, device=subject.inputs.device)
            values = {name: zeros.clone() for name in wanted}
            for where, _, found in subject.gradients(names, _vectors(subject, how, draws, seed), block):
                for name, part in wanted.items():
                    values[name][where] += _squares(found, part)
    found = {name: mean(_finite({name: x})[name], weights) for name, x in values.items()}
    return found[""] if layers is None else found


def log_determinant(
    network: nn.Module,
    inputs: torch.Tensor,
    scale: float | Mapping[str, float],
    how: str = "exact",
    *,
    draws: int = 1,
    seed: int = 0,
    block: int | None = None,
) -> float:
    """Return log det(I + A F) in nats, where A is a positive number, or diagonal with one for each layer.

        F = G' G / m,   log det(I + A F) = log det(I + G A G' / m)                                      (Sylvester)

    G holds a row for each of m inputs and, "exact", each class, or "sampled", each of `draws` labels drawn from the
    model; the second is of another matrix of lower rank, on average too small (the logarithm is concave), and far too
    small where A F is large in more directions than there are rows.
    scale: such as lambda^2 N / beta, one for all or {layer: one}.  Other arguments and errors are those of `diagonal`;
    also if there are more than 3,000 rows, if a scale is not positive, and if a parameter has none or two.
    """
    no_labels(scale, how)
    if how not in HOWS[:2]:
        raise InputError(f"a determinant is computed {' or '.join(HOWS[:2])}, not {how!r}")
    at_least(1, draws, "draws")
    with opened(network, inputs) as subject:
        scales = per_parameter(subject.weights, scale, "scale")
        m, C = subject.probabilities.shape
        R = C if how == "exact" else draws
        if m * R > ROWS:
            raise InputError(
                f"{m} inputs times {R} {'classes' if how == 'exact' else 'draws'} are {m * R} gradients; "
                f'expected {ROWS:,} or less: give fewer inputs, or how="sampled"'
            )
        vectors = _vectors(subject, how, R, seed)
        gram = torch.zeros(m * R, m * R, dtype=torch.float64, device=subject.inputs.device)
        for pieces in _pieces(subject.weights, max(1, HELD // (m * R))):
            sizes = torch.tensor([stop - start for _, start, stop in pieces])
            rows = torch.empty(m, R, sizes.sum(), dtype=subject.inputs.dtype, device=subject.inputs.device)
            for where, r, found in subject.gradients([name for name, _, _ in pieces], vectors, block):
                flat = [found[name].reshape(len(found[name]), -1)[:, start:stop] for name, start, stop in pieces]
                rows[where, r] = torch.cat(flat, dim=1)
            factors = torch.tensor([(scales[name] / m) ** 0.5 for name, _, _ in pieces], dtype=torch.float64)
            factors = factors.repeat_interleave(sizes).to(gram.device)
            for part, factor in zip(rows.flatten(0, 1).split(COLUMNS, dim=1), factors.split(COLUMNS)):
                X = part.double() * factor
                gram.addmm_(X, X.T)
    gram.diagonal().add_(1)
    _finite({"the weights": gram})
    return 2 * torch.linalg.cholesky(gram).diagonal().log().sum().item()


def per_layer(diagonal: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Return the sum of a diagonal over each layer, {layer: its part of tr F}; a layer is a module with parameters."""
    found = {}
    for name, x in diagonal.items():
        found[layer_of(name)] = found.get(layer_of(name), 0.0) + x.sum().item()
    return found


def per_filter(diagonal: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the sums of a diagonal over each filter, {weight: (first axis,)}, of parameters with two axes or more."""
    return {name: x.flatten(1).sum(dim=1) for name, x in diagonal.items() if x.ndim > 1}


def _vectors(subject, how, draws=1, seed=0):
    """Return a function: slice -> v (b, R, C), such that F of an input is the sum of R squares g g', g = J' v.

    Exact: sqrt(p_c) (e_c - p), R = C; sampled: (e_y - p) / sqrt(draws), R = draws.
    """
    P = subject.probabilities
    if how == "exact":
        return lambda where: P[where].sqrt()[:, :, None] * (torch.eye(P.shape[1]).to(P) - P[where, None, :])
    labels = _draw(P, draws, torch.Generator().manual_seed(seed))
    return lambda where: (F.one_hot(labels[where], P.shape[1]) - P[where, None, :]) / draws**0.5


def _draw(P, draws, generator):
    """Return labels (N, draws); drawn on the CPU, they are the same on every device."""
    return torch.multinomial(P.cpu(), draws, replacement=True, generator=generator).to(P.device)


def _batches(subject, wanted, names, draws, batch, seed):
    """Return values {name: (batches,)} of the shortcut, and the weights of batches."""
    subject.check_reached()
    weights = {name: subject.weights[name] for name in names}
    constant = {name: w for name, w in subject.weights.items() if name not in weights}
    generator, values, shares = torch.Generator().manual_seed(seed), {name: [] for name in wanted}, []
    N = len(subject.inputs)

    def loss(weights, x, y):
        return F.cross_entropy(functional_call(subject.network, {**constant, **weights}, (x,)), y)

    for _ in range(draws):
        labels = _draw(subject.probabilities, 1, generator)[:, 0]
        for chosen in torch.randperm(N, generator=generator).tensor_split(-(-N // batch)):
            chosen = chosen.to(subject.inputs.device)
            found = grad(loss)(weights, subject.inputs[chosen], labels[chosen])
            for name, part in wanted.items():
                values[name].append(len(chosen) * _squares({n: g[None] for n, g in found.items()}, part)[0])
            shares.append(len(chosen) / N / draws)
    values = {name: torch.stack(x) for name, x in values.items()}
    return values, torch.tensor(shares, dtype=torch.float64, device=subject.inputs.device)


def _squares(found, part):
    """Return |g|^2 of a part, (b,), float64, of gradients {name: (b, *shape)}."""
    taken = [found[name] if index is None else found[name][:, index] for name, index in part]
    return sum(g.reshape(len(g), -1).double().square().sum(dim=1) for g in taken)


def _named(subject, wanted):
    """Return the parameters that parts are of, in the network's order."""
    names = {name for part in wanted.values() for name, _ in part}
    return [name for name in subject.weights if name in names]


def _names(subject, layers):
    wanted = parts(subject.weights, layers)
    if any(index is not None for part in wanted.values() for _, index in part):
        raise InputError("a diagonal is of whole parameters, not of filters; `per_filter` sums it over them")
    return _named(subject, wanted)


def _pieces(weights, size):
    """Yield lists of (name, start, stop) of flat parameters, together no longer than a size."""
    pieces, room = [], size
    for name, w in weights.items():
        start = 0
        while start < w.numel():
            stop = min(start + room, w.numel())
            pieces, room, start = [*pieces, (name, start, stop)], room - (stop - start), stop
            if not room:
                yield pieces
                pieces, room = [], size
    if pieces:
        yield pieces


def _finite(found):
    for name, x in found.items():
        if not x.isfinite().all():
            raise InputError(f"gradients of {name or 'the weights'} are not finite")
    return found
