"""The halves of two networks at several layers, with a stitch between them at each, and what goes into them."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from experiments.symmetries import elements, kinds, stitches, stitching, trained
from experiments.symmetries.config import OF_RELU, StitchConfig
from info_geometry.files import InputError
from learning.networks import Network, without_statistics
from learning.networks.recalibration import BATCH_NORMS
from learning.runs.run import Folders


class ClusteredNoise(nn.Module):
    """Features that know which class a network sees in an image, and nothing else of it.

        relu(centre of the class + noise),  both standard normal, the noise drawn anew for each image

    shape: of the features of an image.  A stitch that works for these says nothing about what a network represents.
    """

    def __init__(self, network: Network, shape: Sequence[int], seed: int):
        super().__init__()
        self.network, self.shape, self.seed = network, tuple(shape), seed
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("centres", torch.randn(network.head.out_features, *self.shape, generator=generator))

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features (B, *shape) of images; the same image has the same ones always."""
        noise = torch.stack([self._noise(image) for image in images.cpu()]).to(self.centres)
        return torch.relu(self.centres[self.network(images).argmax(dim=1)] + noise)

    def _noise(self, image):
        pixels = (256 * image).round().to(torch.int16).numpy().tobytes()  # without what rounding does on other machines
        own = hashlib.sha256(pixels + str(self.seed).encode()).digest()[:4]
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(int.from_bytes(own, "little")))


@dataclasses.dataclass(frozen=True)
class Parents:
    """The networks of a stitched one, in evaluation: whose features are stitched in, and into which."""

    sender: Network
    receiver: Network

    def fronts(self, layers: Sequence[str], config: StitchConfig, seed: int, images: torch.Tensor) -> list[nn.Module]:
        """Return the first halves at some layers; images: any few, of which noise takes the shapes of features."""
        if config.sender != "noise":
            return [stitching.cut(self.sender, layer)[0] for layer in layers]
        shapes = [stitching.features(stitching.cut(self.receiver, layer)[0], images[:1]).shape[1:] for layer in layers]
        return [ClusteredNoise(self.sender, shape, seed) for shape in shapes]

    def backs(self, layers: Sequence[str]) -> list[nn.Module]:
        """Return the second halves at some layers."""
        return [stitching.cut(self.receiver, layer)[1] for layer in layers]


def parents(start: Mapping[str, Mapping], seed: int, config: StitchConfig, folders: Folders) -> Parents:
    """Return the networks that a configuration stitches.

    start: "receiver" and, unless it comes from that, "sender": each the "run", "seed" and "checkpoint" of a network.
    seed: of what is drawn for a planted one.  Raises InputError where they are not there, or have no head or no
    specification.
    """
    into = _network(start["receiver"], folders)
    if not isinstance(into.head, nn.Linear):
        raise InputError(f"{start['receiver']['run']} holds networks without a head; there is nothing to stitch into")
    if config.sender == "self":
        return Parents(into, into)
    if config.sender == "planted":
        return Parents(elements.transform(into, seed, config.spread), into)
    return Parents(_network(start["sender"], folders), into)


def _network(there, folders):
    return trained.network(there["run"], there["seed"], there["checkpoint"], folders)


def layers(parents: Parents, config: StitchConfig, images: torch.Tensor) -> list[str]:
    """Return the layers at which a configuration stitches, from the first to the last one.

    images: any few, of the networks' size.

    Raises InputError for a layer that is not there, or after which G_ReLU is no group of symmetries, and for features
    that differ in their height and width.
    """
    receiver = parents.receiver
    every, after = list(stitching.layers(receiver)), stitching.rectified(receiver, images)
    if config.learns == "rest":  # the layer right before the activation
        after = [
            every[every.index(name) - 1] for name in after if isinstance(stitching.layers(receiver)[name], nn.ReLU)
        ]
    chosen = [name.strip() for name in config.layers.split(",")] if config.layers else after
    for name in chosen:
        if name not in every[:-1]:
            raise InputError(f"there is no layer {name!r} to stitch at; there are {', '.join(every[:-1])}")
        if config.kind in OF_RELU and name not in after:
            raise InputError(
                f"layers: a stitch of kind {config.kind} is of G_ReLU, the group of ReLU, which does not act at layer "
                f"{name}; " + (f"it does at {', '.join(after)}" if after else f"{receiver.name} has no ReLU to cut at")
            )
    if not chosen:
        raise InputError(
            f"layers: {receiver.name} has no layer with a ReLU to stitch at; say --layers, of {', '.join(every[:-1])}"
        )
    if config.sender != "noise":
        for name in chosen:
            shapes = [
                stitching.features(stitching.cut(x, name)[0], images[:2]).shape for x in (parents.sender, receiver)
            ]
            if shapes[0][2:] != shapes[1][2:]:
                raise InputError(f"layer {name}: features are {tuple(shapes[0][2:])} and {tuple(shapes[1][2:])} pixels")
    return [name for name in every if name in chosen]


class Halves(nn.Module):
    """A stitch and the second half of a network at each of some layers: features -> logits of each."""

    def __init__(self, built: Sequence[stitches.Stitch], backs: Sequence[nn.Module], learns: str):
        super().__init__()
        self.stitches, self.backs, self.learns = nn.ModuleList(built), nn.ModuleList(backs), learns
        self.requires_grad_(False)
        (self.stitches if learns == "stitch" else self.backs).requires_grad_(True)

    @property
    def held(self) -> nn.Module:
        """What checkpoints hold: what learns, and what the second halves learn behind."""
        return self.stitches if self.learns == "stitch" else self

    def forward(self, given: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the logits (B, outputs) of each layer, of features (B, C, ...) of each."""
        return [back(stitch(x)) for stitch, back, x in zip(self.stitches, self.backs, given)]

    def cool(self, done: float) -> None:
        """Set what depends on which share of the training is done."""
        for stitch in self.stitches:
            stitch.cool(done)

    @contextlib.contextmanager
    def learning(self) -> Iterator[None]:
        """Set what learns to training.

        Batch norms of second halves that do not learn average over each batch, and keep what statistics they have.
        """
        self.stitches.train()
        self.backs.train(self.learns == "rest")
        if self.learns == "rest":
            yield
            return
        for norm in self.backs.modules():
            if isinstance(norm, BATCH_NORMS):
                norm.train()
        with without_statistics(self.backs):
            yield

    @torch.no_grad()
    def ready(self, given: Sequence[torch.Tensor], soft: bool = False) -> "Halves":
        """Return it in evaluation, with batch norms recalibrated on features under the matrices that are used.

        given: features (N, C, ...) of each layer.  soft: recalibrated under the soft matrices.
        Second halves that learned have statistics of their own.
        """
        if self.learns == "stitch":
            for stitch, back, x in zip(self.stitches, self.backs, given):
                stitching.recalibrated(back, stitch.soft() if soft else stitch.hard(), x.split(stitching.BATCH))
        return self.eval()


def build(
    config: StitchConfig, own: Parents, at: Sequence[str], seed: int, images: torch.Tensor
) -> tuple[list[nn.Module], Halves]:
    """Return the first halves at some layers, and the stitches and second halves, as they are before anything learns.

    images: (N, channels, size, size), that stitches are fitted to, where they are.  What is random in the stitch of a
    layer follows from the seed and the layer, whatever others there are.
    """
    fronts, backs = own.fronts(at, config, seed, images), own.backs(at)
    made, every = [], list(stitching.layers(own.receiver))
    for layer, front in zip(at, fronts):
        there = stitching.cut(own.receiver, layer)[0]

        def both(front=front, there=there):
            return tuple(stitching.features(x, images).cpu().numpy() for x in (front, there))

        before, after = (stitching.features(x, images[:2]).shape[1] for x in (front, there))
        drawn = int(np.random.SeedSequence([seed, every.index(layer)]).generate_state(1)[0])
        made.append(kinds.build(config, before, after, drawn, both))
    return fronts, Halves(made, backs, config.learns)
