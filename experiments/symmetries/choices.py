"""What stage 2 of symmetries is asked for, and what its files are called.  Imports no torch."""

import dataclasses
import json
from typing import Any

from info_geometry.files import InputError

MATCHINGS = ("none", "weights", "activations")
CORRECTIONS = ("none", "recalibration", "repair")
EPOCHS = ("chosen", "last")
STATISTICS = ("recalibrated", "soft", "receiver")


@dataclasses.dataclass(frozen=True)
class LineChoices:
    """Which lines between networks of two seeds are taken, and where on them.

    receiver: what is added to the seed of the first network for that of the second one, at t = 1.
    matching: how channels of the second are matched to those of the first.  correction: of networks on the line.
    positions: t, from 0 to 1.  training_images: how many matching and correction look at, of each class as many.
    """

    receiver: int = 1
    matching: str = "activations"
    correction: str = "recalibration"
    positions: tuple[float, ...] = tuple(k / 10 for k in range(11))
    training_images: int = 2000

    def __post_init__(self):
        if self.receiver == 0:
            raise InputError("--receiver is 0: a line from a network to itself; expected 1, -1, 2, ...")
        for position in self.positions:
            if not 0 <= position <= 1:
                raise InputError(f"--positions {position:g}: expected numbers from 0 to 1")
        if list(self.positions) != sorted(set(self.positions)):
            raise InputError("--positions: expected increasing numbers")
        if self.training_images < 2:
            raise InputError(f"--training-images is {self.training_images}, expected at least 2")

    def other(self, seed: int) -> int:
        """Return the seed of the second network; raise InputError where it is below 0."""
        if seed + self.receiver < 0:
            raise InputError(f"--seed {seed} with --receiver {self.receiver}: there is no seed {seed + self.receiver}")
        return seed + self.receiver

    def name(self, run: str) -> str:
        """Return the name under which the lines of a run are stored, such as `RUN_line_plus1_by_activations_head`."""
        parts = (
            f"line_{'plus' if self.receiver > 0 else 'minus'}{abs(self.receiver)}",
            "" if self.matching == "none" else f"by_{self.matching}",
            {"none": "uncorrected", "repair": "repair"}.get(self.correction, ""),
            "head",
        )
        return "_".join([run, *filter(None, parts)])

    def as_stored(self) -> dict[str, Any]:
        """Return the choices as a prediction file holds them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


@dataclasses.dataclass(frozen=True)
class StitchChoices:
    """Which stitched networks of a run are stored.

    soft: with the matrices that were trained, instead of those that the kind allows.
    statistics: of batch norms behind the stitch: `recalibrated` under the matrix that is used, under the `soft` one, or
    as they are in the `receiver`.  epoch: of each layer, `chosen` by images held out, or the `last`.
    path: instead, all checkpoints of each layer.
    """

    soft: bool = False
    statistics: str = STATISTICS[0]
    epoch: str = EPOCHS[0]
    path: bool = False

    def __post_init__(self):
        if self.soft and self.statistics == "soft":
            raise InputError("--soft is recalibrated under the soft matrix; leave out --statistics soft")
        if self.path and self.epoch != EPOCHS[0]:
            raise InputError(f"--path is of all epochs; leave out --epoch {self.epoch}")

    def name(self, run: str, layer: str = "") -> str:
        """Return the name under which predictions of a run are stored; layer: of a path."""
        parts = (
            (self.soft, "soft"),
            (self.statistics != STATISTICS[0], f"{self.statistics}_statistics"),
            (self.epoch != EPOCHS[0], self.epoch),
            (self.path, f"path_at_{layer}"),
            (True, "head"),
        )
        return "_".join([run, *(part for used, part in parts if used)])
