"""Optimisers by their names; their learning rate is set at each step, to that of the configuration."""

import torch
from torch import nn

from learning.config import Config


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Return optimiser groups: weights of convolutions and linear maps decay, norm layers and biases do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def build(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Return the optimiser that a configuration names, of all parameters of a model.

    sgd: with momentum, Nesterov's unless `nesterov` is false.  adam: weights decay as part of the gradient (Kingma and
    Ba 2015).  adamw: apart from it (Loshchilov and Hutter 2019).
    """
    groups = parameter_groups(model, config.weight_decay)
    if config.optimiser == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(groups, lr=0.0, momentum=config.momentum, nesterov=nesterov)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimiser](groups, lr=0.0)
