"""Architectures by their names.  Each is a function (channels and side of images, outputs of the head) -> Network.

Those in WIDTHS also take a width: of their first layer, or of the tokens of small_cct.  All others are in proportion.
Those in PER_PIXEL have weights for each pixel, and so take images of one resolution.
"""

from typing import Any

import torch

from info_geometry.files import InputError
from learning.networks.all_cnn import all_cnn
from learning.networks.blurpool_resnet import resnet50_blurpool
from learning.networks.cifar_resnet import cifar_resnet20
from learning.networks.mlp import mlp, mlp_small
from learning.networks.network import Network
from learning.networks.plain_cnn import plain_cnn
from learning.networks.small_cct import small_cct
from learning.networks.small_cnn import small_cnn
from learning.networks.small_resnet import resnet18_small
from learning.networks.wide_resnet import wrn_16_4

WIDTHS = ("small_cnn", "plain_cnn", "wrn_16_4", "cifar_resnet20", "small_cct", "mlp_small", "mlp", "all_cnn")
PER_PIXEL = ("mlp_small", "mlp")
NETWORKS = {
    function.__name__: function
    for function in (
        small_cnn,
        plain_cnn,
        wrn_16_4,
        cifar_resnet20,
        resnet18_small,
        small_cct,
        mlp_small,
        mlp,
        all_cnn,
        resnet50_blurpool,
    )
}


def build(name: str, channels: int, size: int, outputs: int, seed: int, width: int = 0) -> Network:
    """Return the network `name` with initial weights drawn from `seed`.

    channels, size: of images, size being their side in pixels.  outputs: of the head; 0: there is none.
    width: of the first layer, or of tokens; 0: the network's own.  Raises InputError for an unknown name, and for a
    width where a network has only its own.
    The body does not depend on outputs, nor the weights on anything drawn before; the global generator is not moved.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; there are {', '.join(NETWORKS)}")
    if width and name not in WIDTHS:
        raise InputError(
            f"width is {width}, but {name} has only its own; leave it out, or take one of {', '.join(WIDTHS)}"
        )
    given = {"width": width} if width else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[name](channels, size, outputs, **given)
    network.name = name
    return network


def of_config(config: Any, images: Any, outputs: int, seed: int) -> Network:
    """Return the network of a configuration, for a set of images, with initial weights drawn from `seed`.

    outputs: of the head; 0: there is none.  Raises InputError as `build` does, and for a network with weights for each
    pixel where images are not of one resolution.
    """
    size = images.size
    if config.network in PER_PIXEL:
        sides = {key: getattr(config, key) or size for key in ("resolution", "evaluation_resolution")}
        if config.final_resolution or len(set(sides.values())) > 1:
            raise InputError(
                f"{config.network} has weights for each pixel, but images are of {sides['resolution']} pixels in "
                f"training, later of {config.final_resolution or sides['resolution']}, and of "
                f"{sides['evaluation_resolution']} in evaluation; say one resolution and the same evaluation_resolution"
            )
        size = sides["resolution"]
    return build(config.network, images.channels, size, outputs, seed, config.width)
