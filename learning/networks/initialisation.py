"""Initial weights other than a network's own."""

import torch
from torch import nn


def kaiming(network: nn.Module, seed: int) -> None:
    """Draw the weights of all linear maps and convolutions from N(0, 2 / inputs), from `seed`, and set biases to 0.

    inputs: the numbers that an output is a sum over.  So the variance of activations is kept where they are ReLUs (He
    et al. 2015, equation 10).  All else, such as norm layers, positions and tokens, stays as it is.
    """
    torch.manual_seed(seed)  # so that a body, which comes before its head, does not depend on the number of outputs
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.MultiheadAttention):
            nn.init.kaiming_normal_(module.in_proj_weight, nonlinearity="relu")
            nn.init.zeros_(module.in_proj_bias)
