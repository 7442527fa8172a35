"""The hidden spaces of a network: which axes of which parameters its channels lie on.

A permutation of the channels of a space, applied to all of its places, leaves the function of a network as it is.  So
do positive scales where the activation is ReLU, since relu(s x) = s relu(x): they multiply what makes a channel and
divide what reads it (Godfrey et al. 2022, section 3).  Where a batch norm stands before the activation, it undoes what
scales come in, and the scale is put on its weight and bias.  Layers that a skip connection adds up share one space.
"""

import dataclasses
from collections.abc import Callable, Sequence

from torch import nn

from info_geometry.files import InputError


@dataclasses.dataclass(frozen=True)
class Place:
    """An axis of a parameter or buffer on which the channels of a space lie.

    role: "made" is multiplied by the scale of a channel, "read" is divided by it, "kept" is neither.
    groups: how often the axis holds all channels, one time after the other: 3 for queries, keys and values.
    """

    name: str
    axis: int
    role: str
    groups: int = 1


@dataclasses.dataclass(frozen=True)
class Space:
    """The channels of a hidden layer, or of all layers that skip connections join.

    activation: "relu", "gelu", "softmax" of the heads of an attention, which are its channels, or "none" of tokens that
    blocks add to.  before: modules whose outputs enter an activation.  readers: modules whose inputs are the channels
    after it; of heads, the attention itself.
    """

    name: str
    channels: int
    activation: str
    places: tuple[Place, ...]
    before: tuple[str, ...]
    readers: tuple[str, ...]

    @property
    def scales(self) -> bool:
        """Whether positive scales are a symmetry."""
        return self.activation == "relu"


def anatomy(network: nn.Module) -> tuple[Space, ...]:
    """Return the hidden spaces of a network that `learning.networks.build` built, from its images to its head.

    Raises InputError for a network without a specification here, and for one without a head, whose features are seen.
    """
    name = getattr(network, "name", "")
    if name not in SPECIFICATIONS:
        raise InputError(
            f"{name or 'this network'} has no specification of its symmetries; there are {', '.join(SPECIFICATIONS)}"
        )
    if not isinstance(network.head, nn.Linear):
        raise InputError(f"{name} has no head: its features are what it gives, and have no symmetry; give it outputs")
    return tuple(SPECIFICATIONS[name](network))


def _space(network, name, activation, places, before, readers):
    first = places[0]
    channels = network.get_parameter(first.name).shape[first.axis] // first.groups
    return Space(name, channels, activation, tuple(places), tuple(before), tuple(readers))


def _kept(layer):
    """The weights of a convolution that a batch norm follows, or that adds to what a norm layer reads."""
    return [Place(f"{layer}.weight", 0, "kept")]


def _made(layer):
    return [Place(f"{layer}.weight", 0, "made"), Place(f"{layer}.bias", 0, "made")]


def _norm(layer):
    kept = [Place(f"{layer}.{name}", 0, "kept") for name in ("running_mean", "running_var")]
    return [*_made(layer), *kept]


def _read(layer):
    return [Place(f"{layer}.weight", 1, "read")]


def _small_cnn(network):
    for i, after in ((0, 3), (3, 6), (6, 9)):
        places = [*_kept(f"body.{i}"), *_norm(f"body.{i + 1}"), *_read(f"body.{after}" if after < 9 else "head")]
        yield _space(network, f"body.{i + 2}", "relu", places, [f"body.{i + 1}"], [f"body.{after}"])


def _plain_cnn(network):
    for i, after in ((0, 2), (2, 4), (4, 6)):
        places = [*_made(f"body.{i}"), *_read(f"body.{after}" if after < 6 else "head")]
        yield _space(network, f"body.{i + 1}", "relu", places, [f"body.{i}"], [f"body.{after}"])


def _cifar_resnet20(network):
    blocks = []
    for i in range(3, 12):
        names = ["conv1", "norm1", "conv2", "norm2", *(["shortcut.0", "shortcut.1"] * bool(network.body[i].shortcut))]
        blocks.append([f"body.{i}.{name}" for name in names])
    return _residual(network, ["body.0", "body.1"], blocks, "body.12")


def _resnet18_small(network):
    blocks = []
    for stage in (1, 2, 3, 4):
        for i, block in enumerate(network.body.get_submodule(f"layer{stage}")):
            names = ["conv1", "bn1", "conv2", "bn2", *(["downsample.0", "downsample.1"] * bool(block.downsample))]
            blocks.append([f"body.layer{stage}.{i}.{name}" for name in names])
    return _residual(network, ["body.conv1", "body.bn1"], blocks, "body.avgpool")


def _residual(network, stem, blocks, last):
    """Yield the spaces of blocks relu(norm2(conv2(relu(norm1(conv1(x))))) + x), or + norm(conv(x)) where x changes.

    Norm layers that are added up scale together; identities carry a space from block to block.
    """
    places, before, readers = [*_kept(stem[0]), *_norm(stem[1])], [stem[1]], []
    for conv1, norm1, conv2, norm2, *shortcut in blocks:
        places, readers = [*places, *_read(conv1)], [*readers, conv1]
        if shortcut:
            yield _space(network, before[0], "relu", [*places, *_read(shortcut[0])], before, readers)
            places, before, readers = [*_kept(shortcut[0]), *_norm(shortcut[1])], [shortcut[1]], []
        yield _space(network, norm1, "relu", [*_kept(conv1), *_norm(norm1), *_read(conv2)], [norm1], [conv2])
        places, before = [*places, *_kept(conv2), *_norm(norm2)], [*before, norm2]
    yield _space(network, before[0], "relu", [*places, *_read("head")], before, [*readers, last])


def _wrn_16_4(network):
    """Blocks x + conv2(relu(norm2(conv1(a)))), a = relu(norm1(x)), or + projection(a): x is added up without scales.

    Each norm layer that reads x takes the scale, and what reads its output is divided by it.
    """
    places, before, readers, name = _kept("body.0"), [], [], "body.0"
    for i in range(1, 7):
        block = f"body.{i}"
        places = [*places, *_norm(f"{block}.norm1"), *_read(f"{block}.conv1")]
        before, readers = [*before, f"{block}.norm1"], [*readers, f"{block}.conv1"]
        if network.body[i].projection is not None:
            yield _space(network, name, "relu", [*places, *_read(f"{block}.projection")], before, readers)
            places, before, readers, name = _kept(f"{block}.projection"), [], [], block
        inner = [*_kept(f"{block}.conv1"), *_norm(f"{block}.norm2"), *_read(f"{block}.conv2")]
        yield _space(network, f"{block}.norm2", "relu", inner, [f"{block}.norm2"], [f"{block}.conv2"])
        places = [*places, *_kept(f"{block}.conv2")]
    places = [*places, *_norm("body.7"), *_read("head")]
    yield _space(network, name, "relu", places, [*before, "body.7"], [*readers, "body.9"])


def _small_cct(network):
    """Tokens are normalised over their channels, which may be permuted, but not scaled one by one."""
    first = [*_made("body.conv1"), *_read("body.conv2")]
    yield _space(network, "body.conv1", "relu", first, ["body.conv1"], ["body.conv2"])
    tokens, readers = [*_made("body.conv2"), Place("body.positions", 2, "made")], []
    for i, _ in enumerate(network.body.blocks):
        block = f"body.blocks.{i}"
        attention, inner, outer = f"{block}.attention", f"{block}.mlp.0", f"{block}.mlp.2"
        projections = [Place(f"{attention}.in_proj_{name}", 0, "made", 3) for name in ("weight", "bias")]
        heads = network.get_submodule(attention).num_heads
        places = (*projections, *_read(f"{attention}.out_proj"))
        yield Space(attention, heads, "softmax", places, (), (attention,))
        yield _space(network, inner, "gelu", [*_made(inner), *_read(outer)], [inner], [outer])
        tokens += [*_made(f"{block}.norm1"), Place(f"{attention}.in_proj_weight", 1, "read")]
        tokens += [*_made(f"{attention}.out_proj"), *_made(f"{block}.norm2"), *_read(inner), *_made(outer)]
        readers += [attention, inner]
    tokens += [*_made("body.norm"), *_read("body.importance"), *_read("head")]
    yield _space(network, "body.conv2", "none", tokens, ["body.conv2"], [*readers, "body.importance"])


SPECIFICATIONS: dict[str, Callable[[nn.Module], Sequence[Space]]] = {
    "small_cnn": _small_cnn,
    "plain_cnn": _plain_cnn,
    "cifar_resnet20": _cifar_resnet20,
    "wrn_16_4": _wrn_16_4,
    "resnet18_small": _resnet18_small,
    "small_cct": _small_cct,
}
