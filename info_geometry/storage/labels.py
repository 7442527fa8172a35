"""True labels that lie beside prediction files which carry none."""

import numpy as np

from info_geometry.files import InputError


def read_labels(path):
    """Return the array in a file of published labels, or None if there is none; raise InputError for other files."""
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not an array of labels ({error})") from error


def whole_labels(array, count):
    """Return an array of labels as integers (count,), or None unless it holds that many whole numbers."""
    if array.shape != (count,) or array.dtype.kind not in "iuf" or (array != array.astype(int)).any():
        return None
    return array.astype(np.int64)


def labels(trajectory, folder):
    """Return the true labels (N,) of a trajectory: its own, or for a published file those in folder/labels; or None."""
    if trajectory.labels is not None:
        return trajectory.labels
    path = labels_path(trajectory, folder)
    found = read_labels(path)
    if found is None:
        return None
    whole = whole_labels(found, trajectory.shape[1])
    if whole is None:
        raise InputError(
            f"{path}: expected {trajectory.shape[1]} labels, one for each sample of {trajectory.name}, "
            f"found an array {found.shape} of {found.dtype}"
        )
    return whole


def labels_path(trajectory, folder):
    """Return where the labels of a published file lie: `predictions/labels/imagenet_val_labels.npy`, say."""
    return folder / "labels" / f"{trajectory.run.split('_')[0]}_val_labels.npy"
