"""Task2Vec: a task as a vector, the Fisher information of the filters of a probe about its labels.

    h_o = mean_j F_jj,   F = E_x E_{y ~ p_w(.|x)} g g',   g = grad_w log p_w(y|x),   j in filter o

of a network that is trained already, the probe, with a head that is fitted to the task (Achille et al. 2019, *Task2Vec:
task embedding for meta-learning*).  Labels y are the model's own, not those of the task, which enter by the head alone.
The probe is in evaluation.  A filter is an index of the first axis of a weight with two axes or more: biases, norm
layers and the head are left out.
"""

import dataclasses
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from experiments.task_distances.probes import DECAY, classes_of, classifier_of, fitted, identity
from experiments.task_distances.variational import filter_precisions
from info_geometry.files import InputError, atomic_path
from learning.fisher import diagonal, from_predictions, per_filter, sampled_diagonal
from learning.fisher.subject import at_least, checked, part, weights_of
from learning.imprinting import evenly

METHODS = "exact", "sampled", "predictions", "variational"
FORMAT = "task2vec 1"
STRIDE = 1_000_003  # between seeds of the noise of two filters
TEXTS, NUMBERS = ("probe", "method"), ("samples", "classes", "head_cross_entropy")


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """The vector (F,) of a task, and how it came about.

    filters: their names, "body.0.weight[3]".  probe: name and digest of its weights.  method: one of METHODS.
    samples, classes: of the task, in the Fisher information.  head_cross_entropy: in nats, of the images it is fitted
    to; heads that do not fit make vectors long.  floor (F,): the vector of a task that depends on no filter, 0 but with
    "variational".
    """

    vector: np.ndarray
    filters: list[str]
    probe: str
    method: str
    samples: int
    classes: int
    head_cross_entropy: float
    floor: np.ndarray

    @property
    def norm(self) -> float:
        """The sum of the vector, |h|_1."""
        return float(np.abs(self.vector).sum())


def embed(
    probe: nn.Module,
    inputs: torch.Tensor,
    labels: np.ndarray | torch.Tensor,
    method: str = "exact",
    *,
    classifier: str = "head",
    samples: int = 600,
    decay: float = DECAY,
    layers: Sequence[str] | None = None,
    draws: int | None = None,
    sigma: float = 1e-3,
    beta: float = 1e-6,
    steps: int = 3000,
    rate: float = 0.05,
    batch: int = 100,
    start: float | None = None,
    tolerance: float = 0.05,
    seed: int = 0,
) -> Embedding:
    """Return the Task2Vec embedding of a task: inputs (N, ...) as the probe takes them, labels (N,).

    probe: any module that ends with the linear map called `classifier`, such as "fc" or "classifier.6"; it stays as it
    is.  The head is fitted to all inputs, by `fit_head` with `decay`; the Fisher information is that of `samples` of
    them, of each class as many as there are of any other, all where there are no more.
    layers: names of modules or parameters whose filters count, by default all but the classifier's.

        "exact"         sums over the labels of the model; C backward passes an input
        "sampled"       `draws` labels an input, by default 1, drawn from the model
        "predictions"   h_o = 8 E d_B(P_w, P_{w + sigma z}) / (sigma^2 n_o), z ~ N(0, 1) on the n_o weights of filter o
                        alone; `draws`, by default 20, passes of all inputs a filter, and no gradient; the bias
                        goes to 0 with sigma
        "variational"   beta / sigma_o^2 of `filter_precisions`, in `steps` of `rate`, of `batch` inputs, from `start`,
                        converged within `tolerance`: F where beta is small, and beta / lambda^2

    Vectors of two methods are not to be compared.  Draws depend on the seed alone.

    Raises InputError for an unknown method, a probe without this classifier, a task of one class, labels that are no
    whole numbers, inputs that are not finite, a head that does not converge, and as `learning.fisher` does.
    """
    if method not in METHODS:
        raise InputError(f"a task is embedded by {', '.join(METHODS)}, not {method!r}")
    at_least(2, samples, "samples")
    classifier_of(probe, classifier)
    network, head, C = fitted(probe, inputs, labels, classifier, decay)
    y, _ = classes_of(labels, len(checked(inputs)))
    x = inputs[torch.from_numpy(evenly(y, samples)).to(inputs.device)]
    names = _weights(network, classifier, layers)
    sizes = {name: w[0].numel() for name, w in weights_of(network).items() if name in names}
    filters = [f"{name}[{i}]" for name in names for i in range(len(weights_of(network)[name]))]
    floor = np.zeros(len(filters))
    if method == "predictions":
        options = {"draws": 20 if draws is None else draws}
        vector = np.empty(len(filters))
        for i, name in enumerate(filters):  # each with noise of its own, or errors of a layer would be alike
            found = from_predictions(network, x, sigma, **options, seed=seed + i * STRIDE, layers=[name])
            vector[i] = found[name].value / sizes[name.rpartition("[")[0]]
    elif method == "variational":
        how = {"beta": beta, "steps": steps, "rate": rate, "batch": batch, "start": start, "tolerance": tolerance}
        values, floors = filter_precisions(network, x, names, **how, seed=seed)
        vector, floor = (np.concatenate([each[name].cpu().numpy() for name in names]) for each in (values, floors))
    else:
        if method == "exact":
            F = diagonal(network, x, layers=names)
        else:
            F, _ = sampled_diagonal(network, x, draws=1 if draws is None else draws, seed=seed, layers=names)
        sums = per_filter(F)
        vector = np.concatenate([sums[name].cpu().numpy() / sizes[name] for name in names])
    return Embedding(vector, filters, identity(probe, classifier), method, len(x), C, head.cross_entropy, floor)


def write(path: str | Path, embedding: Embedding) -> None:
    """Write an embedding as `.npz` of plain arrays, atomically."""
    arrays = {field.name: np.asarray(getattr(embedding, field.name)) for field in dataclasses.fields(embedding)}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, format=FORMAT, **arrays)


def read(path: str | Path) -> Embedding:
    """Return the embedding that `write` wrote.  Raises InputError for any other file; nothing executable is loaded."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        MemoryError,
        AttributeError,
        TypeError,
    ) as error:
        raise InputError(f"{path} is not an embedding of a task ({error}); make it again with `embed`") from error
    expected = {"format", *(field.name for field in dataclasses.fields(Embedding))}
    if content.keys() != expected or str(content["format"]) != FORMAT:
        what = ", ".join(content) if str(content.get("format", FORMAT)) == FORMAT else str(content["format"])
        raise InputError(f"{path} is not an embedding of a task: it holds {what}; expected {FORMAT!r} from `write`")
    vector, filters, floor = content["vector"], content["filters"], content["floor"]
    if vector.ndim != 1 or filters.shape != vector.shape or floor.shape != vector.shape or filters.dtype.kind != "U":
        raise InputError(f"{path}: {vector.shape} numbers, {filters.shape} filters; expected one each")
    if any(content[name].shape != () or content[name].dtype.kind not in "iuf" for name in NUMBERS):
        raise InputError(f"{path}: {', '.join(NUMBERS)} are no numbers; make it again with `embed`")
    if vector.dtype.kind != "f" or not (np.isfinite(vector) & (vector >= 0)).all() or floor.dtype.kind != "f":
        raise InputError(f"{path}: the vector is negative or not finite; make it again with `embed`")
    texts = {name: str(content[name]) for name in TEXTS}
    if texts["method"] not in METHODS:
        raise InputError(f"{path}: method {texts['method']!r} is unknown; there are {', '.join(METHODS)}")
    return Embedding(
        vector=vector,
        filters=filters.tolist(),
        samples=int(content["samples"]),
        classes=int(content["classes"]),
        head_cross_entropy=float(content["head_cross_entropy"]),
        floor=floor,
        **texts,
    )


def _weights(network, classifier, layers):
    """Return the names of the weights that have filters, in the network's order, without the classifier's."""
    weights = weights_of(network)
    if isinstance(layers, str) or (layers is not None and not layers):
        raise InputError(f"layers are {layers!r}; expected a list of names, or None for all but the classifier")
    wanted = weights if layers is None else {name for each in layers for name, _ in part(weights, each)}
    names = [n for n, w in weights.items() if n in wanted and w.ndim > 1 and not n.startswith(classifier + ".")]
    if not names:
        raise InputError(f"no weight with filters is left beside the classifier {classifier!r}")
    return names
