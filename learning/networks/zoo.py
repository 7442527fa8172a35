"""Architectures by their names.  Each is a function (channels and side of images, outputs of the head) -> Network.

What a function takes besides is what a configuration can say of its shape: `width`, of the first layer or of tokens, to
which all others are in proportion; `depth`, a number of layers or blocks; `widths`, of all hidden layers; `patch`, its
side in pixels; `heads`, of attention.
Those in PER_PIXEL have weights for each pixel or patch, and so take images of one resolution.
"""

import inspect
from typing import Any

import torch

from info_geometry.files import InputError
from learning.config import SHAPE
from learning.networks.all_cnn import all_cnn
from learning.networks.all_cnn_norm import all_cnn_norm
from learning.networks.blurpool_resnet import resnet50_blurpool
from learning.networks.cifar_resnet import cifar_resnet20
from learning.networks.conv_mixer import conv_mixer
from learning.networks.fc import fc
from learning.networks.initialisation import kaiming
from learning.networks.linear import linear
from learning.networks.mlp import mlp, mlp_small
from learning.networks.network import Network
from learning.networks.plain_cnn import plain_cnn
from learning.networks.small_cct import small_cct
from learning.networks.small_cnn import small_cnn
from learning.networks.small_resnet import resnet18_small
from learning.networks.vit import vit
from learning.networks.wide_resnet import wide_resnet, wrn_16_4

PER_PIXEL = ("mlp_small", "mlp", "fc", "linear", "vit")
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
        all_cnn_norm,
        resnet50_blurpool,
        fc,
        linear,
        conv_mixer,
        vit,
        wide_resnet,
    )
}


def takers(key: str) -> tuple[str, ...]:
    """Return the names of the networks that take a key of SHAPE, such as `depth`."""
    return tuple(name for name, function in NETWORKS.items() if key in inspect.signature(function).parameters)


WIDTHS = takers("width")


def build(
    name: str,
    channels: int,
    size: int,
    outputs: int,
    seed: int,
    width: int = 0,
    *,
    depth: int = 0,
    widths: str = "",
    patch: int = 0,
    heads: int = 0,
    initialisation: str = "default",
) -> Network:
    """Return the network `name` with initial weights drawn from `seed`.

    channels, size: of images, size being their side in pixels.  outputs: of the head; 0: there is none.
    width, depth, widths, patch, heads: its shape; 0 or "": the network's own.  initialisation: "default", the network's
    own, or "kaiming".  Raises InputError for an unknown name, for what a network does not take, and for what does not
    fit.
    The body does not depend on outputs, nor the weights on anything drawn before; the global generator is not moved.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network {name!r}; there are {', '.join(NETWORKS)}")
    shape = dict(zip(SHAPE, (width, depth, widths, patch, heads)))
    given = {key: value for key, value in shape.items() if value}
    for key, value in given.items():
        if key not in inspect.signature(NETWORKS[name]).parameters:
            why = "has none" if key in ("patch", "heads") else "has only its own"
            raise InputError(
                f"{key} is {value}, but {name} {why}; leave it out, or take one of {', '.join(takers(key))}"
            )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NETWORKS[name](channels, size, outputs, **given)
        if initialisation == "kaiming":
            kaiming(network, seed)
    network.name = name
    return network


def of_config(config: Any, images: Any, outputs: int, seed: int) -> Network:
    """Return the network of a configuration, for a set of images, with initial weights drawn from `seed`.

    outputs: of the head; 0: there is none.  Raises InputError as `build` does, and for a network with weights for each
    pixel or patch where images are not of one resolution.
    """
    size = images.size
    if config.network in PER_PIXEL:
        sides = {key: getattr(config, key) or size for key in ("resolution", "evaluation_resolution")}
        each = "patch" if config.network == "vit" else "pixel"
        if config.final_resolution or len(set(sides.values())) > 1:
            raise InputError(
                f"{config.network} has weights for each {each}, but images are of {sides['resolution']} pixels in "
                f"training, later of {config.final_resolution or sides['resolution']}, and of "
                f"{sides['evaluation_resolution']} in evaluation; say one resolution and the same evaluation_resolution"
            )
        size = sides["resolution"]
    shape = {key: getattr(config, key) for key in SHAPE}
    return build(config.network, images.channels, size, outputs, seed, **shape, initialisation=config.initialisation)
