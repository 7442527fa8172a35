"""True labels of samples: what they may be given as, whether two agree, and what accuracy chance gives for them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from info_geometry.files import InputError
from info_geometry.files.errors import first_line
from info_geometry.storage.arrays import as_array, describe

NPY = b"\x93NUMPY"  # what files of numpy begin with


def read_labels(path: str | Path) -> np.ndarray | None:
    """Return the array in a file of labels, `.npy` or a text of whole numbers, or None if there is no such file.

    Raises InputError for other files; nothing executable is loaded.
    """
    try:
        with open(path, "rb") as file:
            binary = file.read(len(NPY)) == NPY
        if binary:
            return np.load(path, allow_pickle=False)
        text = Path(path).read_text(encoding="utf-8").replace(",", " ")
        return np.array([int(word) for word in text.split()])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} holds no labels: expected one whole number for each sample, an array of numpy (.npy) or a text "
            f"({first_line(error)})"
        ) from error


def as_labels(values: object, where: object, count: int | None = None, classes: int | None = None) -> np.ndarray:
    """Return true classes as integers (N,): an array, a tensor or a list of whole numbers, or of booleans.

    where: for messages.  count: N, where it is known.  classes: labels are from 0 to classes - 1, where it is known.
    Raises InputError for anything else.
    """
    array = as_array(values, f"{where}: labels")
    whole = array.dtype.kind in "iub" or (array.dtype.kind == "f" and (array == np.floor(array)).all())
    if array.ndim != 1 or not array.size or not whole or (count is not None and len(array) != count):
        if array.ndim == 2 and array.dtype.kind in "iubf" and set(np.unique(array)) == {0, 1}:
            advice = "; these are one-hot: give their argmax(axis=1)"
        elif array.dtype.kind in "USO":
            advice = "; number the classes, in the order of the columns of the predictions"
        else:
            advice = ""
        wanted = "N" if count is None else f"{count}"
        raise InputError(
            f"{where}: expected {wanted} labels, whole numbers, one for each sample, not {describe(array)}{advice}"
        )
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or (classes is not None and highest >= classes):
        last = "the number of classes - 1" if classes is None else f"{classes - 1}"
        advice = "; count classes from 0" if classes is not None and (lowest, highest) == (1, classes) else ""
        raise InputError(f"{where}: labels reach from {lowest} to {highest}, expected 0 to {last}{advice}")
    return array.astype(np.int64)


def check_alike(trajectories: Sequence) -> None:
    """Raise InputError unless the labels of all these opened trajectories, which all have some, are the same."""
    for other in trajectories[1:]:
        first = trajectories[0]
        apart = np.flatnonzero(first.labels != other.labels)
        if len(apart):
            same = np.array_equal(np.sort(first.labels), np.sort(other.labels))
            raise InputError(
                f"{first.name} and {other.name} have other labels at {len(apart)} of {len(first.labels)} samples "
                f"(first: sample {apart[0]}, {first.labels[apart[0]]} and {other.labels[apart[0]]}): "
                + ("samples are in a different order" if same else "these are different samples")
                + "; store both from the same samples in one order"
            )


def right_by_chance(rows: np.ndarray, labels: np.ndarray) -> tuple[float, float, bool]:
    """Return (accuracy, what chance gives, whether a model is surer than chance and yet right no more often).

    rows: probabilities (N, C).  Chance is the accuracy of these predictions in any other order: sum_c q_c f_c, for
    shares q_c of classes among the predictions and f_c among the labels, with the standard deviation s of N draws.
    A model expects to be right as often as its largest probabilities say.  If that is more than 4 s above chance, and
    its accuracy not 2 s above, then most likely its samples are in another order than the labels.
    """
    N, C = rows.shape
    predicted = rows.argmax(axis=1)
    accuracy = float(np.mean(predicted == labels))
    chance = float(np.bincount(predicted, minlength=C) @ np.bincount(labels, minlength=C)) / N**2
    deviation = np.sqrt(chance * (1 - chance) / N)
    return accuracy, chance, accuracy <= chance + 2 * deviation and rows.max(axis=1).mean() > chance + 4 * deviation


def doubts(trajectory) -> str | None:
    """Return a sentence if the last model of an opened trajectory, which has labels, is no better than chance."""
    accuracy, chance, doubtful = right_by_chance(trajectory.model(-1)[1], trajectory.labels)
    if not doubtful:
        return None
    whose = f"the labels in {trajectory.labels_path}" if trajectory.labels_path else "its labels"
    return (
        f"the last model of {trajectory.name} has accuracy {accuracy:.4f} where chance gives {chance:.4f}, "
        f"though it is sure: are its samples in the order of {whose}?"
    )
