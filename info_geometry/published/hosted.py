"""What the authors host for `fetch`, and the reading of it, which admits arrays of probabilities and labels only."""

import contextlib
import math
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from info_geometry.files import InputError, first_line
from info_geometry.storage.arrays import describe
from info_geometry.storage.embeddings import ArraysOnly
from info_geometry.storage.quantities import TOLERANCE

LARGEST = 1 << 28  # bytes: more than the file that holds the labels has, in any archive


class Labels(NamedTuple):
    """An archive that holds the labels: where it is, and the member that is a pickle with a list `fine_labels`."""

    url: str
    size: int
    md5: str
    member: str


class Hosted(NamedTuple):
    """Trajectories of a data set as they are hosted: for each task an .npy file of probabilities in float32.

    shape: (seeds, checkpoints, samples, classes).  t: of the checkpoints.  files: task -> (path on the Hub, SHA-256 or
    None where it is not known).  labels: of all training images, of which the samples are the first.
    """

    shape: tuple[int, int, int, int]
    t: tuple[float, ...]
    t_name: str
    split: str
    files: dict[str, tuple[str, str | None]]
    labels: Labels

    @property
    def bytes(self) -> int:
        """Bytes that the numbers of a task take."""
        return 4 * math.prod(self.shape)

    @property
    def stored(self) -> int:
        """Bytes that a seed of a task takes when it is stored in float16, and a little more."""
        return self.bytes // (2 * self.shape[0]) + (1 << 16)


REPOSITORY = "rahul13ramesh/picture_of_space_of_tasks/resolve/main"
HOSTED = {
    "cifar100": Hosted(
        shape=(3, 37, 5000, 100),
        t=(*np.arange(0, 4, 0.25), *range(4, 25)),
        t_name="epoch",
        split="train",
        files={task: (f"{REPOSITORY}/{task}_preds.npy", None) for task in ("taskA", "taskB")},
        labels=Labels(
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            169001437,
            "eb9058c3a382ffc7106e4002c42a8d85",
            "cifar-100-python/train",
        ),
    )
}
IMAGENET = """imagenet: these trajectories lie in a MEGA folder, which only a browser can download. Its address is in
predictions/README.md, section Published trajectories. Put what it holds where the commands look:
    {0}/imagenet_<task>/preds_<seed>.h5
    {0}/labels/imagenet_val_labels.npy
and see whether it came whole: python -m info_geometry.predictions check {0}/imagenet_*/preds_*.h5"""


def listing(folder: str | Path) -> str:
    """Return what can be fetched, how large it is and where it goes."""
    lines = [f"{'name':<10}{'files':<22}{'to download':>12}{'to store':>10}  where it goes"]
    for name, hosted in HOSTED.items():
        size = len(hosted.files) * hosted.bytes / 1e6
        lines.append(
            f"{name:<10}{f'{len(hosted.files)} tasks x {hosted.shape[0]} seeds':<22}{size:>9.0f} MB"
            f"{size / 2:>7.0f} MB  {folder}/{name}_<task>/preds_<seed>.h5"
        )
        lines.append(
            f"{'':<10}{'data set, for labels':<22}{hosted.labels.size / 1e6:>9.0f} MB{'':>10}  in these "
            "files; not downloaded if it is there, or with --labels"
        )
    return "\n".join([*lines, f"{'imagenet':<10}by hand: predictions/README.md says how"])


def open_array(file: Path, shape: tuple[int, ...], name: object) -> np.memmap:
    """Return the array in an .npy file, of this shape in float32, mapped into memory.

    Raises InputError, which calls the file `name`, for anything else; a pickle in it is not loaded.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        what = describe(array) if isinstance(array, np.ndarray) else "an archive"
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
        raise InputError(f"{name} is no array of numbers ({first_line(error)}); delete it and fetch again") from None
    if (
        not isinstance(array, np.memmap)
        or array.dtype != np.dtype("<f4")
        or array.shape != shape
        or not array.flags.c_contiguous
    ):
        raise InputError(
            f"{name} holds {what}, expected shape {shape} and type float32, in C order; it is not the "
            "file that was published"
        )
    if file.stat().st_size != array.offset + array.nbytes:
        raise InputError(
            f"{name} has {file.stat().st_size} bytes, expected {array.offset + array.nbytes}; delete it and fetch again"
        )
    return array


def check_array(array: np.ndarray, name: object) -> None:
    """Raise InputError unless all rows of an array (seeds, checkpoints, samples, classes) are probabilities."""
    for seed, checkpoint in tqdm(
        np.ndindex(array.shape[:2]),
        total=math.prod(array.shape[:2]),
        desc="checking",
        unit=" models",
        leave=False,
        disable=None,
    ):
        rows = array[seed, checkpoint]
        with np.errstate(invalid="ignore"):
            sums = rows.sum(axis=1, dtype=np.float64)
        sound = (np.abs(sums - 1) <= TOLERANCE) & (rows.min(axis=1) >= 0)  # false for what is not a number
        if not sound.all():
            first = int(np.argmin(sound))
            raise InputError(
                f"{name}: seed {seed}, checkpoint {checkpoint}, sample {first}: numbers from "
                f"{rows[first].min():.4g} that sum to {sums[first]:.4g}, expected probabilities that sum "
                "to 1; the file is damaged, or not what was published. Delete it and fetch again"
            )


def train_labels(path: Path, hosted: Hosted) -> np.ndarray:
    """Return the first labels (N,) in a file of training images, or in the archive that holds it, read in place.

    Raises InputError for anything but a pickle of plain values and numpy arrays with a list `fine_labels`.
    """
    (_, _, N, C), member = hosted.shape, hosted.labels.member
    try:
        with contextlib.ExitStack() as stack:
            if path.name.endswith(".tar.gz"):
                archive = stack.enter_context(tarfile.open(path))
                entry = next((entry for entry in archive if entry.name == member), None)
                if entry is None or not entry.isreg() or entry.size > LARGEST:
                    raise ValueError(f"no file {member} of less than {LARGEST / 1e6:.0f} MB is in it")
                file = archive.extractfile(entry)
            else:
                file = stack.enter_context(open(path, "rb"))
            labels = ArraysOnly(file, encoding="bytes").load()[b"fine_labels"][:N]
        if len(labels) != N or any(type(label) is not int or not 0 <= label < C for label in labels):
            raise ValueError(f"fine_labels are not {N} or more numbers from 0 to {C - 1}")
        return np.array(labels)
    except Exception as error:  # a pickle that is not one raises whatever it likes
        raise InputError(
            f"{path} does not hold the labels of {member} ({first_line(error)}); delete it and fetch again"
        ) from error
