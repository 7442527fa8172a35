"""A network is a body, which gives the features that are imprinted, and a linear head."""

import torch
from torch import nn


class Network(nn.Module):
    """A body (B, channels, height, width) -> features (B, F), and a head features -> logits (B, outputs).

    Without outputs, the head leaves features as they are.
    """

    def __init__(self, body, features, outputs):
        super().__init__()
        self.body, self.head = body, nn.Linear(features, outputs) if outputs else nn.Identity()

    def forward(self, images):
        """Return the logits (B, outputs)."""
        return self.head(self.body(images))


def on(device, network):
    """Return a network on a device, on GPUs with channels last in memory, which their convolutions want."""
    return network.to(device, memory_format=torch.channels_last if device.type == "cuda" else torch.preserve_format)


def autocast(device, precision):
    """Return a context in which convolutions and matrix products on a GPU have a precision; on CPU it is float32."""
    return torch.autocast(device.type, getattr(torch, precision), precision != "float32" and device.type == "cuda")


def parameter_groups(network, weight_decay):
    """Return optimiser groups: weights of convolutions and linear maps decay, norm layers and biases do not."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
