"""Architectures by their names.  Each is a function (channels and side of images, outputs of the head) -> Network."""

import torch

from info_geometry.files import InputError
from learning.networks.blurpool_resnet import resnet50_blurpool
from learning.networks.cifar_resnet import cifar_resnet20
from learning.networks.network import Network
from learning.networks.small_cnn import small_cnn
from learning.networks.small_resnet import resnet18_small
from learning.networks.wide_resnet import wrn_16_4

NETWORKS = {
    function.__name__: function for function in (small_cnn, wrn_16_4, cifar_resnet20, resnet18_small, resnet50_blurpool)
}


def build(name: str, channels: int, size: int, outputs: int, seed: int) -> Network:
    """Return the network `name` with initial weights drawn from `seed`; raise InputError for an unknown name.

    channels, size: of images, size being their side in pixels.  outputs: of the head; 0: there is none.
    The body does not depend on outputs, nor the weights on anything drawn before; the global generator is not moved.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; there are {', '.join(NETWORKS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](channels, size, outputs)
