"""How networks are trained with episodes: the configuration.  Imports no torch."""

import dataclasses
from typing import ClassVar

from info_geometry.files import InputError
from learning.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetaConfig(Config):
    """How networks are trained with episodes: of `ways` classes, with `shots` images of support and `queries` of each.

    Epochs are episodes, those of warming up too, and a step is one of them.  `batch_size` follows: all queries of an
    episode, ways * queries.
    """

    batch_size: int = 0
    ways: int = 5
    shots: int = 5
    queries: int = 15

    UNUSED: ClassVar = {
        "label_smoothing": "the loss of an episode has none",
        "micro_batch_size": "queries are compared with all of the support, so an episode cannot go in parts",
        "schedule": "an episode is a step, with nothing between that could be kept",
        "evaluate_every": "there is no head that could answer",
    }

    def __post_init__(self):
        for key, least in (("ways", 2), ("shots", 1), ("queries", 1)):
            if getattr(self, key) < least:
                raise InputError(f"{key} is {getattr(self, key)}, expected at least {least}")
        size = self.ways * self.queries
        if self.batch_size not in (0, size):
            raise InputError(
                f"batch_size is {self.batch_size}, but an episode has {self.ways} ways * {self.queries} "
                f"queries = {size}; leave batch_size out"
            )
        object.__setattr__(self, "batch_size", size)  # for the table of --status, which counts in batches
        super().__post_init__()
