"""True labels that lie beside prediction files which carry none."""

from pathlib import Path

from info_geometry.storage import names
from info_geometry.storage.labels import as_labels, read_labels
from info_geometry.storage.trajectories import Trajectory


def labels_path(run: str, attributes: dict, folder: Path) -> Path:
    """Return where the labels of a run in `folder` lie: `predictions/labels/imagenet_val_labels.npy`, say.

    attributes: of one of its files.
    """
    return folder / "labels" / f"{names.dataset(run, attributes)}_val_labels.npy"


def attach(trajectory: Trajectory, folder: Path) -> None:
    """Give a trajectory without labels those that lie beside it, in `folder`/labels, if they are there.

    Its `labels_path` says where they were looked for.  Raises InputError where there is something else.
    """
    if trajectory.labels is not None:
        return
    trajectory.labels_path = labels_path(trajectory.run, trajectory.attributes, folder)
    found = read_labels(trajectory.labels_path)
    if found is not None:
        where = f"{trajectory.labels_path}, labels of {trajectory.name}"
        trajectory.labels = as_labels(found, where, *trajectory.shape[1:])
