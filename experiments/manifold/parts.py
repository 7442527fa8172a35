"""The two parts of a prediction file of the manifold: training images, and then evaluation images."""

from info_geometry.files import InputError
from info_geometry.predictions import Trajectory

PARTS = TRAINING, EVALUATION = "training", "evaluation"


def part(run: Trajectory, which: str) -> Trajectory:
    """Return the Trajectory of the training or of the evaluation images of an opened file.

    Raises InputError where the file does not say which samples these are.
    """
    counts = run.attributes.get("parts")
    if not isinstance(counts, dict) or set(counts) != set(PARTS) or sum(counts.values()) != run.shape[1]:
        raise InputError(f"{run.name}: it does not say which samples are of {which}; store it by experiments/manifold")
    return run.samples(0, counts[TRAINING]) if which == TRAINING else run.samples(counts[TRAINING], run.shape[1])
