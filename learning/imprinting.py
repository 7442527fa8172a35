"""Which imprinting: the choices of stage 2, and how they are named.  Imports no torch; formulas: `imprint.py`."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, valid_name
from learning.tasks.lists import ENDINGS

RULES = ("squared_distance", "normalised", "cosine")
PROTOTYPES = ("evaluation", "training")
TRAINING_IMAGES = 10_000


@dataclass(frozen=True)
class Imprinting:
    """How features f become probabilities softmax_k(score_k / temperature), with prototypes m_k, the mean of class k.

    rule: squared_distance, -|f - m_k|^2, as in the published code; normalised, scale * f . m_k / |m_k|, a linear
    classifier whose rows have length 1; or cosine, scale * f . m_k / (|f| |m_k|).
    temperature: None: that of the largest likelihood on training images, one a checkpoint.
    prototypes: of the evaluation samples that are predicted, or of training images.
    over: the task whose classes, and samples, are predicted; "": all of the data set.
    training_images: how many are looked at, of each class as many, where they are needed.
    """

    rule: str = RULES[0]
    scale: float = 1.0
    temperature: float | None = 1.0
    prototypes: str = PROTOTYPES[0]
    over: str = ""
    training_images: int = TRAINING_IMAGES

    def __post_init__(self):
        for key, known in (("rule", RULES), ("prototypes", PROTOTYPES)):
            if getattr(self, key) not in known:
                raise InputError(f"{key} is {getattr(self, key)!r}, expected one of {', '.join(known)}")
        for key in ("scale", "temperature"):
            value = getattr(self, key)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"--{key} is {value}, expected a positive number")
        if self.rule == RULES[0] and self.scale != 1:
            raise InputError("--scale is of normalised and cosine; say --temperature for squared_distance")
        if self.training_images < 1:
            raise InputError(f"--training-images is {self.training_images}, expected 1 or more")
        if self.training_images != TRAINING_IMAGES and not self.looks_at_training:
            raise InputError("--training-images is of --temperature fitted and --prototypes training; say one of them")
        if self.over:
            valid_name(self.name, "--over")

    @property
    def looks_at_training(self) -> bool:
        """Whether training images are needed."""
        return self.temperature is None or self.prototypes == "training"

    @property
    def name(self) -> str:
        """What the names of runs get for it, such as `normalised_x8_fitted`; "" for what is usual."""
        over = Path(self.over).stem if self.over.endswith(ENDINGS) else self.over.replace(",", "-")
        parts = (
            (self.rule != RULES[0], self.rule),
            (self.scale != 1, f"x{self.scale:g}"),
            (self.temperature is None, "fitted"),
            (self.temperature not in (None, 1), f"t{self.temperature or 0:g}"),
            (self.prototypes == "training", "training"),
            (self.training_images != TRAINING_IMAGES, f"n{self.training_images}"),
            (bool(over), f"on_{over}"),
        )
        return "_".join(part for used, part in parts if used)

    @property
    def suffix(self) -> str:
        """How names of runs that are imprinted so end: `_<name>`, or "" for what is usual."""
        return f"_{self.name}" if self.name else ""

    def __str__(self) -> str:
        """What prediction files say: `imprinting`, and what is not usual."""
        said = ["imprinting"]
        if self.rule != RULES[0]:
            said.append(f"{self.rule}, scale {self.scale:g}")
        if self.temperature != 1:
            said.append("temperature fitted" if self.temperature is None else f"temperature {self.temperature:g}")
        if self.prototypes == "training":
            said.append("prototypes of training images")
        if self.looks_at_training:
            said.append(f"at most {self.training_images} training images")
        if self.over:
            said.append(f"over the classes of {self.over}")
        return ", ".join(said)


USUAL = Imprinting()


def evenly(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the increasing indices of `count` samples, of each class as many as there are of any other.

    labels (N,).  Which ones is random and always the same; all where there are no more.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    starts = np.searchsorted(labels[order], labels[order])
    number = np.arange(len(labels)) - starts  # within the class
    return np.sort(order[np.argsort(number, kind="stable")][:count])
