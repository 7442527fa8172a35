"""What a probe makes of a task before any gradient: the mean of its features, and how well a head does on them."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn

from experiments.task_distances.probes import DECAY, classes_of, features, fit_head, identity
from info_geometry.files import InputError, atomic_path
from learning.fisher.subject import checked

FORMAT = "task head 1"


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """mean (F,): of features over images, the domain embedding, which does not look at labels.

    cross_entropy, error: of the head that is fitted to the task, on images that it was not fitted to; in nats, and the
    share of images that it takes for another class.  head_cross_entropy: of those it was.  probe: as of `Embedding`.
    """

    mean: np.ndarray
    head_cross_entropy: float
    cross_entropy: float
    error: float
    classes: int
    probe: str


def know(
    probe: nn.Module,
    inputs: torch.Tensor,
    labels: np.ndarray,
    others: tuple[torch.Tensor, np.ndarray],
    classifier: str = "head",
    decay: float = DECAY,
) -> Known:
    """Return what is Known of a task: inputs (N, ...), labels (N,); others: inputs and labels that are held out.

    Raises InputError as `fit_head` does, and where the labels of others are not among the labels.
    """
    y, C = classes_of(labels, len(checked(inputs)))
    X, names = features(probe, inputs, classifier), np.unique(labels)
    head = fit_head(X, y, decay)
    if not np.isin(others[1], names).all():
        raise InputError(
            f"images that are held out have labels that none of the {len(labels)} images of the task has; give more "
            "images"
        )
    z = features(probe, others[0], classifier) @ head.weight.T + head.bias
    truth = np.searchsorted(names, others[1])
    log_p = torch.log_softmax(torch.from_numpy(z), dim=1).numpy()
    loss = -log_p[np.arange(len(truth)), truth].mean()
    error = float((z.argmax(axis=1) != truth).mean())
    return Known(X.mean(axis=0), head.cross_entropy, float(loss), error, C, identity(probe, classifier))


def write(path: str | Path, known: Known) -> None:
    """Write what is known as `.npz` of plain arrays, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, format=FORMAT, **{key: np.asarray(value) for key, value in dataclasses.asdict(known).items()})


def read(path: str | Path) -> Known:
    """Return what `write` wrote; raise InputError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        if str(content.pop("format")) != FORMAT:
            raise ValueError("another format")
        numbers = {key: float(content[key]) for key in ("head_cross_entropy", "cross_entropy", "error")}
        return Known(content["mean"], **numbers, classes=int(content["classes"]), probe=str(content["probe"]))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:
        raise InputError(
            f"{path} does not say what is known of a task ({error}); delete it and store it again"
        ) from error
