"""How networks are trained on tasks under conditions: the configuration.  Imports no torch."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from experiments.task_distances import conditions
from learning.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskConfig(Config):
    """How a network learns a task: as for `Config`, and

    `condition`: of its images or labels, such as blur7 (conditions.py).
    `training_images`, of each class as many (0: all); of a union of two tasks, of each task as many.
    `validation_images`: held out of training, of others.
    """

    condition: str = conditions.PLAIN
    training_images: int = 0
    validation_images: int = 0

    recalibration_images: ClassVar[int] = 0  # norm layers keep their running statistics

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "condition", conditions.read(self.condition).label)


def of_run(values: Mapping[str, Any]) -> TaskConfig:
    """Return the configuration in what run.json holds; keys of other versions are left out."""
    known = {field.name for field in dataclasses.fields(TaskConfig)}
    return TaskConfig(**{key: value for key, value in values.items() if key in known})
