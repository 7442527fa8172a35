"""For the tests: networks whose norm layers are not as they are built, where a mistake would not show."""

import torch
from torch import nn

from learning import networks


def cnn(size=8, outputs=10, seed=0):
    network = networks.build("small_cnn", 1, size, outputs, seed)
    with torch.random.fork_rng():
        torch.manual_seed(100 + seed)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network
