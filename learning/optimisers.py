"""Optimisers by their names; their learning rate is set at each step, to that of the configuration."""

import torch
from torch import nn

from learning.config import Config


def parameter_groups(model: nn.Module, weight_decay: float, decay: str = "matrices") -> list[dict]:
    """Return optimiser groups: those that decay, and those that do not.

    decay: "matrices", the weights of convolutions and linear maps; "all_but_bn", all but those with `bn` in their
    names, as in the published code: so the norm layers of downsampling and the bias of the head decay as well; or
    "everything".
    """
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    rules = {"matrices": lambda name, p: p.ndim > 1, "all_but_bn": lambda name, p: "bn" not in name}
    decays = {name: rules.get(decay, lambda name, p: True)(name, p) for name, p in parameters}
    return [
        {"params": [p for name, p in parameters if decays[name]], "weight_decay": weight_decay},
        {"params": [p for name, p in parameters if not decays[name]], "weight_decay": 0.0},
    ]


def build(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Return the optimiser that a configuration names, of all parameters of a model.

    sgd: with momentum, Nesterov's unless `nesterov` is false.  adam: weights decay as part of the gradient (Kingma and
    Ba 2015).  adamw: apart from it (Loshchilov and Hutter 2019).
    """
    groups = parameter_groups(model, config.weight_decay, config.decay)
    if config.optimiser == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        return torch.optim.SGD(groups, lr=0.0, momentum=config.momentum, nesterov=nesterov)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimiser](groups, lr=0.0)
