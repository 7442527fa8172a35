"""The information in the weights of a network, from the Fisher information and a Gaussian prior."""

import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from info_geometry.files import InputError
from learning.fisher.estimate import Estimate
from learning.fisher.gradients import diagonal
from learning.fisher.subject import at_least, checked, layer_of, layers, per_parameter, positive, weights_of


@dataclasses.dataclass(frozen=True)
class Terms:
    """The two terms of an information, or of a difference of two, in each layer, in nats."""

    norms: dict[str, float]
    determinants: dict[str, float]

    @property
    def norm(self) -> float:
        """1/2 |w|^2 / lambda^2, over all layers."""
        return sum(self.norms.values())

    @property
    def determinant(self) -> float:
        """1/2 sum_j log(1 + lambda^2 N F_jj / beta), over all layers."""
        return sum(self.determinants.values())

    @property
    def total(self) -> float:
        """Both terms."""
        return self.norm + self.determinant


@dataclasses.dataclass(frozen=True)
class Information(Terms):
    """The two terms of the information in each layer, in nats, and the prior variance of each parameter."""

    variances: dict[str, float]


def prior_variances(initial: nn.Module) -> dict[str, float]:
    """Return lambda^2 of each layer, {layer: mean of w^2 over its weights and biases}, of a network at its beginning.

    Raises InputError for a layer that begins at 0, whose prior has no width.
    """
    weights, found = weights_of(initial), {}
    for layer, names in layers(initial).items():
        found[layer] = torch.cat([weights[name].double().flatten() for name in names]).square().mean().item()
        if not 0 < found[layer] < float("inf"):
            raise InputError(
                f"mean square of initial weights of {layer} is {found[layer]}; expected a positive number: "
                "give prior variances by hand"
            )
    return found


def information(
    network: nn.Module,
    fisher: Mapping[str, torch.Tensor],
    samples: int,
    variance: float | Mapping[str, float],
    beta: float = 1.0,
) -> Information:
    """Return the information that a network's weights w hold of the N samples it was trained on, in nats.

        I_beta(w; D) = 1/2 [ |w|^2 / lambda^2 + sum_j log(1 + lambda^2 N F_jj / beta) ]

    This is what is paid for the best Gaussian posterior N(w, Sigma) with diagonal Sigma, under a prior N(0, lambda^2):
    beta times it is the minimum over Sigma of beta KL(posterior || prior) + 1/2 tr(N F Sigma), the summed cross entropy
    being expanded to second order, 1/2 d' N F d (Achille and Soatto 2018; Achille, Paolini and Soatto 2019).  There is
    no factor 2 before lambda^2, as there is where the 1/2 of the expansion is left out.

    fisher: {parameter: F_jj}, from `diagonal` or `sampled_diagonal`.  samples: N, of the training set.
    variance: lambda^2, one for all or {layer: one}, as from `prior_variances`.
    `log_determinant` with scale lambda^2 N / beta gives the second term, times 2, for a Sigma that is not diagonal.

    Raises InputError if N, beta or lambda^2 is not positive, if a layer has no lambda^2, if F is not of these weights,
    or negative, and if weights are not finite.
    """
    for value, what in ((samples, "number of samples"), (beta, "beta")):
        positive(value, what)
    weights = weights_of(network)
    variances = per_parameter(weights, variance, "prior variance")
    if not isinstance(fisher, Mapping) or not all(isinstance(x, torch.Tensor) for x in fisher.values()):
        raise InputError(
            f"the Fisher information is a {type(fisher).__name__}; expected {{parameter: a tensor of its shape}}, as "
            "from `diagonal`, or the first of two from `sampled_diagonal`"
        )
    if {name: x.shape for name, x in fisher.items()} != {name: w.shape for name, w in weights.items()}:
        raise InputError("the Fisher information is not of this network: names or shapes of its parameters differ")
    norms, determinants = dict.fromkeys(layers(network), 0.0), dict.fromkeys(layers(network), 0.0)
    for name, w in weights.items():
        F = fisher[name].double()
        if not (F >= 0).all() or not F.isfinite().all():
            raise InputError(f"Fisher information of {name} is negative or not finite")
        if not w.isfinite().all():
            raise InputError(f"weights of {name} are not finite")
        layer, lambda2 = layer_of(name), variances[name]
        norms[layer] += w.double().square().sum().item() / lambda2 / 2
        determinants[layer] += torch.log1p(lambda2 * samples / beta * F).sum().item() / 2
    return Information(norms, determinants, variances)


def estimated_information(
    network: nn.Module,
    inputs: torch.Tensor,
    samples: int,
    variance: float | Mapping[str, float],
    beta: float = 1.0,
    *,
    groups: int = 10,
) -> Estimate:
    """Return the information in all weights, in nats, with the exact diagonal of F, and its standard error over inputs.

    inputs: (n, ...), some of the N = `samples` that the network was trained on; the other arguments, and errors, are
    those of `information` and `diagonal`.  The squared error is that of the jackknife over G `groups` of inputs in a
    random order (Efron 1982): (G - 1) / G sum_g (I_g - mean I_g)^2, where I_g is without group g.  Also raises
    InputError if there are fewer than two groups, or fewer inputs than groups.
    """
    at_least(2, groups, "groups")
    if len(checked(inputs)) < groups:
        raise InputError(f"{len(inputs)} inputs are fewer than {groups} groups; give more, or say groups=")
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0)).to(inputs.device)
    parts = [inputs[chosen] for chosen in order.tensor_split(groups)]
    sums = [{name: len(part) * F for name, F in diagonal(network, part).items()} for part in parts]
    whole = {name: sum(each[name] for each in sums) for name in sums[0]}

    def total(F, count):
        return information(network, {name: x / count for name, x in F.items()}, samples, variance, beta).total

    without = torch.tensor(
        [
            total({name: (x - each[name]).clamp(min=0) for name, x in whole.items()}, len(inputs) - len(part))
            for each, part in zip(sums, parts)
        ]
    )
    error = ((groups - 1) / groups * (without - without.mean()).square().sum()).sqrt()
    return Estimate(total(whole, len(inputs)), error.item())
