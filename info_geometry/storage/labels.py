"""True labels that lie beside prediction files which carry none."""

from pathlib import Path

import numpy as np

from info_geometry.files import InputError
from info_geometry.storage import names
from info_geometry.storage.trajectories import Trajectory


def read_labels(path: Path) -> np.ndarray | None:
    """Return the array in a file of published labels, or None if there is none; raise InputError for other files."""
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not an array of labels ({error})") from error


def whole_labels(array: np.ndarray, count: int) -> np.ndarray | None:
    """Return an array of labels as integers (count,), or None unless it holds that many whole numbers."""
    if array.shape != (count,) or array.dtype.kind not in "iuf" or (array != array.astype(int)).any():
        return None
    return array.astype(np.int64)


def labels_path(trajectory: Trajectory, folder: Path) -> Path:
    """Return where the labels of a published file lie: `predictions/labels/imagenet_val_labels.npy`, say."""
    return folder / "labels" / f"{names.dataset(trajectory.run, trajectory.attributes)}_val_labels.npy"


def attach(trajectory: Trajectory, folder: Path) -> None:
    """Give a trajectory without labels those that lie beside it, in `folder`/labels, if they are there.

    Its `labels_path` says where they were looked for.  Raises InputError where there is something else.
    """
    if trajectory.labels is not None:
        return
    trajectory.labels_path = labels_path(trajectory, folder)
    found = read_labels(trajectory.labels_path)
    if found is None:
        return
    trajectory.labels = whole_labels(found, trajectory.shape[1])
    if trajectory.labels is None:
        raise InputError(
            f"{trajectory.labels_path}: expected {trajectory.shape[1]} labels, one for each sample of "
            f"{trajectory.name}, found an array {found.shape} of {found.dtype}"
        )
