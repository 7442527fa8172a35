"""What stage 2 is asked to find out of networks, and what its files are called.  Imports no torch."""

from dataclasses import dataclass

from info_geometry.files import InputError


@dataclass(frozen=True)
class Inspection:
    """images: of evaluation that are predicted, of each class as many, and up to as many of the own task.

    last: of the own task at the last checkpoint.  fisher: training images of each task that the Fisher information is
    of.
    """

    images: int = 2000
    last: int = 10_000
    fisher: int = 200

    def __post_init__(self):
        for key in ("images", "last", "fisher"):
            if getattr(self, key) < 1:
                raise InputError(f"--{key} is {getattr(self, key)}, expected at least 1")

    def name(self, run: str) -> str:
        """Return the name under which what is known of a run is stored."""
        return f"{run}_known"
