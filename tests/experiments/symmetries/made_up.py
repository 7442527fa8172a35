"""Networks whose weights and running statistics are all random: what begins at 0 or 1 hides what was left behind."""

import torch
from torch import nn

from learning import networks
from learning.networks.recalibration import recalibrate

# network, channels and side of its images, width: 0 is its own
SMALL = [
    ("small_cnn", 1, 8, 4),
    ("plain_cnn", 1, 8, 4),
    ("cifar_resnet20", 1, 8, 2),
    ("wrn_16_4", 1, 8, 2),
    ("small_cct", 1, 8, 8),
]
ALL = [
    *SMALL,
    ("small_cnn", 3, 16, 0),
    ("plain_cnn", 3, 16, 0),
    ("cifar_resnet20", 3, 16, 0),
    ("wrn_16_4", 3, 16, 3),
    ("resnet18_small", 3, 8, 0),
    ("small_cct", 3, 16, 0),
]


def ids(values):
    return "_".join(map(str, values))


@torch.no_grad()
def made(name, channels, size, width, seed=0):
    """Return a network in float64 and in evaluation mode, and eight images."""
    network = networks.build(name, channels, size, 5, seed, width).double()
    torch.manual_seed(seed)
    images = torch.randn(64, channels, size, size, dtype=torch.float64)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            module.weight.normal_(1, 0.3)
            module.bias.normal_(0.5, 0.3)
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.bias is not None):
            module.bias.normal_(0, 0.3)
        if isinstance(module, nn.MultiheadAttention):  # so that heads look at something
            for layer in (module.in_proj_weight, module.out_proj.weight):
                layer.normal_(0, 2 * layer.shape[1] ** -0.5)
            module.in_proj_bias.normal_(0, 0.3)
    if name == "small_cct":
        for layer in (module for module in network.body.modules() if type(module) is nn.Linear):
            layer.weight.normal_(0, 2 * layer.in_features**-0.5)
    recalibrate(network, [images])  # else many channels would never be above 0
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.running_mean += 0.2 * norm.running_var.sqrt() * torch.randn(norm.num_features)
        norm.running_var *= torch.empty(norm.num_features).uniform_(0.7, 1.5)
    return network, images[:8]
