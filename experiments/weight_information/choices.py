"""What stage 2 of variational networks is asked for, and what its files are called.  Imports no torch."""

import re
from dataclasses import dataclass

from info_geometry.files import InputError

SETS = ("evaluation", "training")
BETA = r"beta[0-9][0-9.]*(e[-+]?[0-9]+)?"  # as a sweep names the variants of its runs


@dataclass(frozen=True)
class Choices:
    """sweep: one file of the last networks of several runs, by beta; else one of each run over its checkpoints.

    images: that are predicted.  draws: of weights, over which probabilities are averaged (0: as many as the run says).
    """

    sweep: bool = False
    images: str = SETS[0]
    draws: int = 0

    def __post_init__(self):
        if self.draws < 0:
            raise InputError(f"--draws is {self.draws}, expected at least 1; leave it out for what runs say")

    def name(self, run: str) -> str:
        """Return the name under which the predictions of a run, or of a sweep, are stored."""
        return run + ("" if self.images == SETS[0] else f"_{self.images}") + "_head"


@dataclass(frozen=True)
class Inspection:
    """images: that the Fisher information is of, of those learned from, and as many others.

    determinant: images, one gradient for each class, that the determinant of the whole matrix is of.
    layers: the Fisher information of each layer alone, which takes little time, and nothing else of it.
    """

    images: int = 200
    determinant: int = 30
    layers: bool = False

    def __post_init__(self):
        for key in ("images", "determinant"):
            if getattr(self, key) < 1:
                raise InputError(f"--{key} is {getattr(self, key)}, expected at least 1")
        if self.layers and self.determinant != Inspection.determinant:
            raise InputError(f"--determinant is {self.determinant}, but --layers computes none; leave out one of both")

    @property
    def said(self) -> dict[str, int]:
        """The choices that play a part."""
        return {"images": self.images} if self.layers else {"images": self.images, "determinant": self.determinant}

    def name(self, run: str) -> str:
        """Return the name under which what is known of a run is stored."""
        return f"{run}_{'layers' if self.layers else 'information'}"


def without_beta(name: str, variant: str) -> tuple[str, str]:
    """Return the name of the sweep that a run with this variant belongs to, RUN_by_beta, and its variant.

    Of the variant `beta0.1-ln1` remains `ln1`.  Raises InputError for a variant that does not say beta.
    """
    found = re.search(rf"(?:^|(?<=-)){BETA}(?=-|$)", variant)
    if not found:
        raise InputError(f"{name}: its variant {variant!r} does not say beta; name those of a sweep such as beta0.1")
    start, end = found.span()
    rest = "-".join(filter(None, (variant[:start].rstrip("-"), variant[end:].lstrip("-"))))
    base = name.removesuffix(f"_{variant}")
    return "_".join(filter(None, (base, rest, "by_beta"))), rest
