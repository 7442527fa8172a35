"""Networks whose weights are random: Gaussians around mean weights.

    q = N(w, Sigma) of weights and biases, Sigma is one of three; the prior of a layer is p = N(0, lambda^2), lambda
    is learned, like w and Sigma
    diagonal    Sigma = diag sigma^2: each weight has a variance of its own, and is independent of all others
    isotropic   Sigma = sigma^2: one variance a layer, of its weights and biases
    low_rank    Sigma = D + U U' of a layer, D = diag sigma^2, U (k, rank) of its k weights and biases
    KL(q || p) = 1/2 [(|w|^2 + tr Sigma) / lambda^2 - k + k log lambda^2 - log det Sigma] of a layer, in nats
    log det Sigma = sum log sigma^2 + log det(1 + U' D^-1 U)
    E_q H + beta KL is minimised, H = -sum_i log p(y_i | x_i, weights) over all training images   (Achille, Soatto 2018)

A layer is a linear map or a convolution.  In training its outputs are drawn, for each image and position on its own,
from a Gaussian of the mean and variance that they have under q (local reparametrisation, Kingma et al.
2015): mean = w * x + b, variance = sigma_w^2 * x^2 + sigma_b^2.  Of a convolution these draws are independent of each
other, which outputs under one draw of weights are not; mean and variance of each are the same.  U has no such way:
w becomes w + U z, z ~ N(0, 1), drawn once a batch in each layer.
"""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from info_geometry.files import InputError
from learning.runs import weights

LAYERS = (nn.Linear, nn.Conv2d)
SMALLEST = 1e-16  # variance of an output, so that its root has a derivative
START = 1607  # of the seed of the U that training begins with
SHARE = 0.1  # of sigma^2, the variance that U begins with
SLOWER = 0.02  # the learning rate of U beside that of mean weights: every image moves all of U, with one z


class Layer(nn.Module):
    """A linear map or a convolution, whose weights and biases are Gaussians around those of `mean`.

    log_variance: log sigma^2 of each, by its name, or with `isotropic` a scalar.  log_prior: log lambda^2, a scalar,
    which begins where it is best.  directions: U (k, rank), of `low_rank` alone, else None; drawn by `start`, with a
    SHARE of the variance sigma^2, since at 0 it has no gradient.
    generator: of noise; None: outputs are those of the mean weights.
    """

    def __init__(
        self,
        mean: nn.Module,
        log_variance: float,
        posterior: str = "diagonal",
        rank: int = 0,
        start: torch.Generator | None = None,
    ):
        super().__init__()
        self.mean = mean
        filled = {name: torch.full_like(p, log_variance) for name, p in mean.named_parameters()}
        self.log_variance = nn.ParameterDict({name: nn.Parameter(value) for name, value in filled.items()})
        self.directions = None
        if posterior == "isotropic":
            self.log_variance = nn.Parameter(mean.weight.new_tensor(log_variance))
        if posterior == "low_rank":
            drawn = torch.randn(sum(p.numel() for p in mean.parameters()), rank, generator=start)
            self.directions = nn.Parameter(drawn.to(mean.weight) * math.exp(log_variance / 2) * (SHARE / rank) ** 0.5)
        self.log_prior = nn.Parameter(self.best_log_prior())
        self.generator = None

    def log_variances(self) -> dict[str, torch.Tensor]:
        """Return {name: log sigma^2 of each of its weights}, in the order of `mean`; without what U adds."""
        named, found = self.mean.named_parameters(), self.log_variance
        each = isinstance(found, nn.ParameterDict)
        return {name: found[name] if each else found.expand_as(w) for name, w in named}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.generator is None:
            return self.mean(x)
        outputs = self.mean(x) if self.directions is None else functional_call(self.mean, self.moved(), (x,))
        variances = {name: value.exp() for name, value in self.log_variances().items()}
        variance = functional_call(self.mean, variances, (x.square(),))
        noise = torch.randn(outputs.shape, generator=self.generator, device=outputs.device, dtype=outputs.dtype)
        return outputs + variance.clamp_min(SMALLEST).sqrt() * noise

    def moved(self, generator: torch.Generator | None = None) -> dict[str, torch.Tensor]:
        """Return {name: w + U z}, where z is drawn by a generator, that of the layer unless another is given."""
        generator, named = generator or self.generator, list(self.mean.named_parameters())
        kind = {"device": generator.device, "dtype": self.directions.dtype}
        z = torch.randn(self.directions.shape[1], generator=generator, **kind).to(self.directions.device)
        parts = (self.directions @ z).split([w.numel() for _, w in named])
        return {name: w + part.view_as(w) for (name, w), part in zip(named, parts)}

    def kl(self, log_prior: torch.Tensor | None = None) -> torch.Tensor:
        """Return KL(q || N(0, lambda^2)) in nats, a scalar; log_prior: log lambda^2, if it is not the layer's own."""
        log_prior = self.log_prior if log_prior is None else log_prior
        found, log_variances = 0.0, self.log_variances()
        for name, w in self.mean.named_parameters():
            squares = (w.square() + log_variances[name].exp()) / log_prior.exp()
            found = found + 0.5 * (squares - 1 + log_prior - log_variances[name]).sum()
        if self.directions is not None:
            found = found + 0.5 * (self.directions.square().sum() / log_prior.exp() - self._log_det())
        return found

    def _log_det(self):
        """Return log det(1 + U' D^-1 U)."""
        u, log_variance = self.directions, torch.cat([x.flatten() for x in self.log_variances().values()])
        scaled = u * (-log_variance / 2).exp()[:, None]
        return torch.linalg.slogdet(torch.eye(u.shape[1]).to(u) + scaled.T @ scaled).logabsdet

    @torch.no_grad()
    def best_log_prior(self) -> torch.Tensor:
        """Return the log lambda^2 of the smallest KL: lambda^2 = mean of w^2 and variances over the layer."""
        log_variances = self.log_variances()
        squares = [w.square() + log_variances[name].exp() for name, w in self.mean.named_parameters()]
        squares = torch.cat([x.flatten() for x in squares])
        if self.directions is not None:
            squares = squares + self.directions.square().sum(dim=1)
        return squares.mean().log()


class Variational(nn.Module):
    """A network whose weights are Gaussians around those of `network`, of which it takes a copy.

    log_variance: log sigma^2 to begin with.  posterior: one of POSTERIORS.  rank: of U; seed: of what it begins with.
    Raises InputError where the network has weights other than those of linear maps and convolutions, such as norm
    layers: batch norm divides the noise out again.
    """

    def __init__(
        self,
        network: nn.Module,
        log_variance: float = -9.0,
        posterior: str = "diagonal",
        rank: int = 0,
        seed: int = 0,
    ):
        super().__init__()
        self.posterior, start = posterior, _start(seed)
        self.network = copy.deepcopy(network)
        for name, module in list(self.network.named_modules()):
            own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
            if isinstance(module, LAYERS):
                parent = self.network.get_submodule(name.rpartition(".")[0])
                setattr(parent, name.rpartition(".")[2], Layer(module, log_variance, posterior, rank, start))
            elif own or isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise InputError(
                    f"{getattr(network, 'name', '') or 'the network'} has {type(module).__name__} ({name}), but "
                    "variational networks are of linear maps and convolutions alone; take plain_cnn, mlp_small or mlp"
                )

    @property
    def layers(self) -> dict[str, Layer]:
        """The layers by their names in the network."""
        return {name: module for name, module in self.network.named_modules() if isinstance(module, Layer)}

    def forward(self, images: torch.Tensor, key: int | None = None) -> torch.Tensor:
        """Return logits (B, outputs): with noise that follows from `key`, or those of the mean weights."""
        return self._called(self.network, images, key)

    def features(self, images: torch.Tensor, key: int | None = None) -> torch.Tensor:
        """Return the last hidden layer (B, F), with noise or without, as `forward` does logits."""
        return self._called(self.network.body, images, key)

    def _called(self, part, images, key):
        generator = None if key is None else torch.Generator(images.device).manual_seed(key)
        layers = self.layers.values()
        for layer in layers:
            layer.generator = generator
        try:
            return part(images)
        finally:
            for layer in layers:
                layer.generator = None

    def kl(self) -> dict[str, torch.Tensor]:
        """Return {layer: KL(q || p)}, in nats, scalars."""
        return {name: layer.kl() for name, layer in self.layers.items()}

    def variances(self) -> dict[str, float]:
        """Return {layer: lambda^2} of the priors."""
        return {name: float(layer.log_prior.detach().exp()) for name, layer in self.layers.items()}

    def groups(self, factor: float) -> list[dict]:
        """Return groups for an optimiser: mean weights; all else, whose rate is `factor` times as large; and U."""
        parameters = list(self.named_parameters())
        mean = {f"network.{name}.mean.{own}" for name, x in self.layers.items() for own, _ in x.mean.named_parameters()}
        slow = {f"network.{name}.directions" for name in self.layers}
        found = [
            {"params": [p for name, p in parameters if name in mean]},
            {"params": [p for name, p in parameters if name not in mean | slow], "factor": factor},
            {"params": [p for name, p in parameters if name in slow], "factor": SLOWER},
        ]
        return [group for group in found if group["params"]]

    def mean_network(self) -> dict[str, torch.Tensor]:
        """Return the state of an ordinary network: the mean weights."""
        return {f"{at}.{name}": w.detach().clone() for at, x in self.layers.items() for name, w in _named(x)}

    @torch.no_grad()
    def draw(self, seed: int) -> dict[str, torch.Tensor]:
        """Return the state of an ordinary network whose weights are drawn from q; seed: below 2^32."""
        generator, found = torch.Generator().manual_seed(seed), {}
        for at, layer in self.layers.items():
            log_variances = layer.log_variances()
            means = dict(_named(layer)) if layer.directions is None else layer.moved(generator)
            for name, w in means.items():
                noise = torch.randn(w.shape, generator=generator, dtype=w.dtype).to(w.device)
                found[f"{at}.{name}"] = w + (log_variances[name] / 2).exp() * noise
        return found


def _named(layer):
    return layer.mean.named_parameters()


def _start(seed):
    """Return the generator of the first U of a run of a seed."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, START]).generate_state(1)[0]))


def of_config(config: Any, network: nn.Module, seed: int) -> Variational:
    """Return the variational network that a configuration says, around an ordinary one; seed: of the run.

    config: with `initial_log_variance`, `posterior` and `rank`.
    """
    return Variational(network, config.initial_log_variance, config.posterior, config.rank, seed)


def fit(content: Any, model: Variational, path: str | Path) -> None:
    """Put the weights of a checkpoint into a variational network.

    Raises InputError where they are of another posterior, or do not fit, as `weights.fit`.
    """
    state = weights.unwrapped(content, path)
    found = _posterior(state)
    if found != model.posterior:
        raise InputError(
            f"{path} holds {found or 'no variational network'}, expected the posterior {model.posterior}, which its "
            "run has; take the checkpoints of the same run"
        )
    weights.fit(state, model, path)


def _posterior(state):
    """Return the posterior that a state is of, None: of an ordinary network."""
    if not any(key.endswith(".log_prior") for key in state):
        return None
    if any(key.endswith(".directions") for key in state):
        return "low_rank"
    return "isotropic" if any(key.endswith(".log_variance") for key in state) else "diagonal"


class Mixture(nn.Module):
    """The mean prediction of several draws of weights of one network.  states: of ordinary networks like `network`."""

    def __init__(self, network: nn.Module, states: list[dict[str, torch.Tensor]]):
        super().__init__()
        self.network, self.states = network, states

    def each(self, images: torch.Tensor) -> torch.Tensor:
        """Return log probabilities (draws, B, outputs) of each draw."""
        found = [functional_call(self.network, state, (images,)) for state in self.states]
        return torch.log_softmax(torch.stack(found).float(), dim=-1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the mean of probabilities (B, outputs), whose softmax is that mean."""
        return mixed(self.each(images))


def mixed(log_probabilities: torch.Tensor) -> torch.Tensor:
    """Return log mean_d p_d (N, C) of log p_d (draws, N, C)."""
    return torch.logsumexp(log_probabilities, dim=0) - torch.tensor(float(len(log_probabilities))).log().item()
