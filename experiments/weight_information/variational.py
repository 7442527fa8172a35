"""Networks whose weights are random: independent Gaussians around mean weights.

    q = N(w, diag sigma^2) of weights and biases; the prior of a layer is p = N(0, lambda^2), lambda is learned
    KL(q || p) = 1/2 sum [(w^2 + sigma^2) / lambda^2 - 1 + log lambda^2 - log sigma^2], in nats
    E_q H + beta KL is minimised, H = -sum_i log p(y_i | x_i, weights) over all training images   (Achille, Soatto 2018)

A layer is a linear map or a convolution.  In training its outputs are drawn, for each image and position on its own,
from a Gaussian of the mean and variance that they have under q (local reparametrisation, Kingma et al.
2015): mean = w * x + b, variance = sigma_w^2 * x^2 + sigma_b^2.  Of a convolution these draws are independent of each
other, which outputs under one draw of weights are not; mean and variance of each are the same.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call

from info_geometry.files import InputError

LAYERS = (nn.Linear, nn.Conv2d)
SMALLEST = 1e-16  # variance of an output, so that its root has a derivative


class Layer(nn.Module):
    """A linear map or a convolution, whose weights and biases are Gaussians around those of `mean`.

    log_variance: log sigma^2 of each, by its name.  log_prior: log lambda^2, a scalar, which begins where it is best.
    generator: of noise; None: outputs are those of the mean weights.
    """

    def __init__(self, mean: nn.Module, log_variance: float):
        super().__init__()
        self.mean = mean
        filled = {name: torch.full_like(p, log_variance) for name, p in mean.named_parameters()}
        self.log_variance = nn.ParameterDict({name: nn.Parameter(value) for name, value in filled.items()})
        self.log_prior = nn.Parameter(self.best_log_prior())
        self.generator = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = self.mean(x)
        if self.generator is None:
            return outputs
        variances = {name: value.exp() for name, value in self.log_variance.items()}
        variance = functional_call(self.mean, variances, (x.square(),))
        noise = torch.randn(outputs.shape, generator=self.generator, device=outputs.device, dtype=outputs.dtype)
        return outputs + variance.clamp_min(SMALLEST).sqrt() * noise

    def kl(self, log_prior: torch.Tensor | None = None) -> torch.Tensor:
        """Return KL(q || N(0, lambda^2)) in nats, a scalar; log_prior: log lambda^2, if it is not the layer's own."""
        log_prior = self.log_prior if log_prior is None else log_prior
        found = 0.0
        for name, w in self.mean.named_parameters():
            log_variance = self.log_variance[name]
            squares = (w.square() + log_variance.exp()) / log_prior.exp()
            found = found + 0.5 * (squares - 1 + log_prior - log_variance).sum()
        return found

    @torch.no_grad()
    def best_log_prior(self) -> torch.Tensor:
        """Return the log lambda^2 of the smallest KL: lambda^2 = mean of w^2 + sigma^2 over the layer."""
        squares = [w.square() + self.log_variance[name].exp() for name, w in self.mean.named_parameters()]
        return torch.cat([x.flatten() for x in squares]).mean().log()


class Variational(nn.Module):
    """A network whose weights are Gaussians around those of `network`, of which it takes a copy.

    log_variance: log sigma^2 to begin with.  Raises InputError where the network has weights other than those of linear
    maps and convolutions, such as norm layers: batch norm divides the noise out again.
    """

    def __init__(self, network: nn.Module, log_variance: float = -9.0):
        super().__init__()
        self.network = copy.deepcopy(network)
        for name, module in list(self.network.named_modules()):
            own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
            if isinstance(module, LAYERS):
                parent = self.network.get_submodule(name.rpartition(".")[0])
                setattr(parent, name.rpartition(".")[2], Layer(module, log_variance))
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

    def groups(self, factor: float) -> list[dict]:
        """Return two groups for an optimiser: mean weights, and all else, whose rate is `factor` times as large."""
        parameters = list(self.named_parameters())
        mean = {f"network.{name}.mean.{own}" for name, x in self.layers.items() for own, _ in x.mean.named_parameters()}
        return [
            {"params": [p for name, p in parameters if name in mean]},
            {"params": [p for name, p in parameters if name not in mean], "factor": factor},
        ]

    def mean_network(self) -> dict[str, torch.Tensor]:
        """Return the state of an ordinary network: the mean weights."""
        return {f"{at}.{name}": w.detach().clone() for at, x in self.layers.items() for name, w in _named(x)}

    @torch.no_grad()
    def draw(self, seed: int) -> dict[str, torch.Tensor]:
        """Return the state of an ordinary network whose weights are drawn from q; seed: below 2^32."""
        generator, found = torch.Generator().manual_seed(seed), {}
        for at, layer in self.layers.items():
            for name, w in _named(layer):
                noise = torch.randn(w.shape, generator=generator, dtype=w.dtype).to(w.device)
                found[f"{at}.{name}"] = w + (layer.log_variance[name] / 2).exp() * noise
        return found


def _named(layer):
    return layer.mean.named_parameters()


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
