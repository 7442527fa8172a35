"""How stitches are trained, and networks behind a fixed matrix: the configuration.  Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from info_geometry.files import InputError
from learning.config import SHAPE, Config

TRAINED = ("full", "low_rank", "lasso", "g_relu", "gumbel_sinkhorn")
RANDOM = ("identity", "random_permutation", "random_g_relu", "random_rotation")
FITTED = ("matched", "procrustes")  # to features, without training
SENDERS = ("trained", "untrained", "random_labels", "noise", "planted", "self")
ALONE = ("planted", "self")  # senders that come from the receiver
WITH_SOFT = ("g_relu", "gumbel_sinkhorn")  # whose matrix that is trained is not the one that is used
OF_RELU = ("g_relu", "gumbel_sinkhorn", "random_g_relu")
SAME = "are those of the networks that are stitched"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StitchConfig(Config):
    """How a stitch is trained, at each of some layers by itself: as for `Config`, and

    `kind`: of the stitch: `full`, `low_rank` (of `rank`), `lasso` (with `strength`), `g_relu` (projected gradient, with
    `alpha` of the penalty, which is `centred`, or as `published`; from `start`, `uniform` or `matched`),
    `gumbel_sinkhorn` (its temperature falls from `tau` to `final_tau`); without training `identity`,
    `random_permutation`, `random_g_relu` (scales of `spread`), `random_rotation`, and, fitted to features, `matched`,
    a permutation with scales, and `procrustes`, a rotation.
    `sender`: the network whose features are stitched in: `trained`; a null, `untrained`, trained on `random_labels`, or
    clustered `noise`; `planted`, a symmetry of the receiver with scales of `spread`, or the receiver `self`.
    `learns`: the `stitch`; or the `rest` of a network behind a matrix that is fixed, before the activation.
    `layers`: their names, with commas; none: all after an activation, or of `rest` all right before one.
    `training_images`, of each class as many (0: all), whose features are kept in memory; `validation_images`: held out
    of them, to choose by; `recalibration_images`: of training, that norm layers are recalibrated on.
    """

    network: str = ""
    kind: str = "full"
    sender: str = "trained"
    learns: str = "stitch"
    layers: str = ""
    rank: int = 1
    strength: float = 0.01
    alpha: float = 0.0
    penalty: str = "centred"
    start: str = "uniform"
    tau: float = 1.0
    final_tau: float = 0.05
    spread: float = 0.5
    training_images: int = 0
    validation_images: int = 1000
    recalibration_images: int = 2000
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "epochs"
    dense_epochs: int = 0
    per_epoch: int = 1

    CHOICES: ClassVar = {
        **Config.CHOICES,
        "kind": (*TRAINED, *RANDOM, *FITTED),
        "sender": SENDERS,
        "learns": ("stitch", "rest"),
        "penalty": ("centred", "published"),
        "start": ("uniform", "matched"),
    }
    POSITIVE: ClassVar = (*Config.POSITIVE, "rank", "tau", "final_tau", "validation_images", "recalibration_images")
    UNUSED: ClassVar = {
        "evaluate_every": "stitched networks are evaluated on images held out, at each checkpoint",
        "augmentation": "features are computed once",
        "micro_batch_size": "a batch of features is small",
        "label_smoothing": "the loss is cross entropy",
        "compile": "features are computed once",
        "precision": "what learns is small, in float32",
        **dict.fromkeys(("network", *SHAPE, "initialisation", "resolution", "evaluation_resolution"), f"these {SAME}"),
        **dict.fromkeys(("final_resolution", "grow_from", "grow_until"), f"images {SAME}"),
    }

    def __post_init__(self):
        super().__post_init__()
        used = {
            "rank": self.kind == "low_rank",
            "strength": self.kind == "lasso",
            "alpha": self.kind == "g_relu",
            "start": self.kind == "g_relu",
            "penalty": self.kind == "g_relu",
            "tau": self.kind == "gumbel_sinkhorn",
            "final_tau": self.kind == "gumbel_sinkhorn",
            "spread": self.kind == "random_g_relu" or self.sender == "planted",
        }
        why = f"the kind is {self.kind}, and the sender {self.sender}"
        self.refuse({key: why for key, needed in used.items() if not needed})
        if self.learns == "rest":
            if self.kind not in RANDOM:
                raise InputError(f"kind is {self.kind}, but what the rest learns behind is one of {', '.join(RANDOM)}")
            if self.sender not in ("self", type(self).sender):
                raise InputError(
                    f"sender is {self.sender}, but the rest of a network learns behind itself; leave it out"
                )
            object.__setattr__(self, "sender", "self")
        if self.kind == "lasso" and self.optimiser != "sgd":
            raise InputError(
                f"optimiser is {self.optimiser}, but the proximal steps of lasso follow steps along the gradient; take "
                "the configurations that end in _lasso, or sgd"
            )
        if self.final_tau > self.tau:
            raise InputError(f"final_tau is {self.final_tau}, expected at most tau ({self.tau})")

    @property
    def trains(self) -> bool:
        """Whether anything learns: stitches that are drawn or fitted are there at once."""
        return self.kind in TRAINED or self.learns == "rest"

    @property
    def unfitted(self) -> "StitchConfig":
        """The configuration of stitches of the same shape that are fitted to nothing."""
        return dataclasses.replace(self, kind=RANDOM[0] if self.kind in FITTED else self.kind, start="uniform")

    @property
    def alone(self) -> bool:
        """Whether sender and receiver come from one network."""
        return self.sender in ALONE


def of_run(values: Mapping[str, Any]) -> StitchConfig:
    """Return the configuration in what run.json holds; keys of other versions, and of the networks, are left out."""
    known = {field.name for field in dataclasses.fields(StitchConfig)} - set(StitchConfig.UNUSED)
    return StitchConfig(**{key: value for key, value in values.items() if key in known})
