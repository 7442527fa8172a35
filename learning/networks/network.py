"""A network is a body, which gives the features that are imprinted, and a linear head."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


class Network(nn.Module):
    """A body (B, channels, height, width) -> features (B, F), and a head features -> logits (B, outputs).

    Without outputs, the head leaves features as they are.  name: under which the zoo built it, if it did.
    """

    name = ""

    def __init__(self, body, features, outputs):
        super().__init__()
        self.body, self.head = body, nn.Linear(features, outputs) if outputs else nn.Identity()

    def forward(self, images):
        """Return the logits (B, outputs)."""
        return self.head(self.body(images))


def on(device: torch.device, network: nn.Module) -> nn.Module:
    """Return a network on a device, on GPUs with channels last in memory, which their convolutions want."""
    return network.to(device, memory_format=torch.channels_last if device.type == "cuda" else torch.preserve_format)


@contextlib.contextmanager
def without_statistics(model: nn.Module) -> Iterator[None]:
    """While the block runs, norm layers average over their batch and leave their running statistics as they are."""
    norms = [x for x in model.modules() if isinstance(x, nn.modules.batchnorm._BatchNorm) and x.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def compile_on(device: torch.device, module: nn.Module) -> None:
    """Compile a module in place, for batches of fixed shapes, on a GPU; elsewhere leave it as it is."""
    if device.type == "cuda":
        module.compile(dynamic=False)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return a context in which convolutions and matrix products on a GPU have a precision; on CPU it is float32."""
    return torch.autocast(device.type, getattr(torch, precision), precision != "float32" and device.type == "cuda")
