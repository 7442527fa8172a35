"""InPCA: from a distance matrix to an embedding, its explained stress, and places for new models.      [command]

    W = -1/2 L D L,  L = I - 11'/M,  W = U diag(lambda) U'                        (Ramesh et al. 2023, section 2)
    coordinate k of model j = sqrt|lambda_k| u_jk,  eigenpairs by decreasing |lambda|

An axis with lambda_k < 0 is imaginary: squared distances along it count negative.

    python inpca.py [RUN ...] [--name NAME] [--seeds S ...]      all runs of a data set when none is named

reads predictions/<run>/preds_<seed>.h5, writes predictions/embedding/<name>.npz and figures in plots/<name>/, and
prints the explained stress.  720 models of 600 samples over 10 classes take about 10 seconds on 2 CPU cores.
"""
import io
import pickle
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.linalg

from info_geometry import distance, plot, runs, trajectory
from info_geometry.files import InputError, atomic_path, command, log, remove_orphans


@dataclass(frozen=True)
class Embedding:
    """Models as points whose squared distances, imaginary axes counting negative, approximate D.

    coordinates (M, k).  eigenvalues (M,) by decreasing magnitude.  imaginary (M,) bool.  column_means (M,): mean_j D,
    or None where D is not known.  index: a table of equal-length arrays that says which model each point is
    (run, seed, checkpoint, t, ...).
    """

    coordinates: np.ndarray
    eigenvalues: np.ndarray
    imaginary: np.ndarray
    column_means: np.ndarray | None = None
    index: dict = field(default_factory=dict)

    def explained_stress(self, k=None):
        """Return 1 - sqrt(1 - sum_{i<=k} lambda_i^2 / sum_i lambda_i^2) for k axes (float), or for 1..M axes (M,).

        Both sums run over all eigenvalues, so the value for M axes is 1.  If all models coincide it is 1 for any k.
        """
        squares = self.eigenvalues**2
        rest = np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0)  # summed from the small end: exact where it is 0
        stress = 1 - np.sqrt(rest / squares.sum()) if squares.sum() > 0 else np.ones(len(squares))
        return stress if k is None else float(stress[min(k, len(stress)) - 1]) if k > 0 else 0.0

    def transform(self, D_new):
        """Return coordinates (m, k) of new models from their distances (m, M) to the models of the embedding.

        g_j = -1/2 (q_j - mean q - mean_j D + mean D),  coordinate k = sum_j g_j u_jk / (sign(lambda_k) sqrt|lambda_k|)

        The models of the embedding come out at their own coordinates.  Raises InputError for another shape.
        """
        q = np.atleast_2d(np.asarray(D_new, dtype=np.float64))
        if self.column_means is None:
            raise InputError("new models cannot be placed: this embedding does not hold the means of its distances")
        if q.ndim != 2 or q.shape[1] != len(self.column_means) or not np.isfinite(q).all():
            raise InputError(f"expected finite distances to {len(self.column_means)} models, not an array {q.shape}")
        g = -0.5 * (q - q.mean(axis=1, keepdims=True) - self.column_means + self.column_means.mean())
        values = self.eigenvalues[: self.coordinates.shape[1]]
        known = np.abs(values) > _negligible(self.eigenvalues)
        inverse = np.divide(1.0, values, out=np.zeros_like(values), where=known)
        return g @ self.coordinates * inverse  # u / (sign(lambda) sqrt|lambda|) = coordinate / lambda


def fit(D, k=3, index=None):
    """Return the Embedding, with k axes, of models with distances D (M, M).

    Of the two signs of an axis, the one is taken that makes its entry of largest magnitude positive.

    Raises InputError if D is not a finite symmetric matrix of at least two models.
    """
    D = np.asarray(D, dtype=np.float64)
    if D.ndim != 2 or D.shape[0] != D.shape[1]:
        raise InputError(f"expected a square matrix of distances, not an array {D.shape}")
    if len(D) < 2:
        raise InputError("an embedding needs at least 2 models; there is 1")
    if not np.isfinite(D).all():
        i, j = np.argwhere(~np.isfinite(D))[0]
        raise InputError(f"the distance between models {i} and {j} is {D[i, j]}")
    if not np.allclose(D, D.T, rtol=1e-8, atol=1e-10):
        raise InputError("the matrix of distances is not symmetric")
    means = D.mean(axis=0)
    W = -0.5 * (D - means[:, None] - means[None, :] + means.mean())
    values, vectors = scipy.linalg.eigh((W + W.T) / 2)
    order = np.argsort(-np.abs(values), kind="stable")
    values, vectors = values[order], vectors[:, order[:k]]
    vectors *= np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
    sizes = np.where(np.abs(values) > _negligible(values), np.abs(values), 0.0)  # what is rounding is nothing
    coordinates = vectors * np.sqrt(sizes[:k])
    return Embedding(coordinates, values, values < -_negligible(values), means, index or {})


def _negligible(values):
    """Return the magnitude below which an eigenvalue is rounding: M machine precisions of the largest one."""
    return len(values) * np.finfo(np.float64).eps * np.abs(values).max()


def save(path, embedding):
    """Write an embedding as `.npz`, atomically; the columns of the index are arrays named `index_<column>`."""
    arrays = {name: getattr(embedding, name) for name in ("coordinates", "eigenvalues", "imaginary", "column_means")}
    arrays.update({f"index_{name}": np.asarray(column) for name, column in embedding.index.items()})
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def load(path):
    """Read an embedding written by `save`.  Raises InputError for anything else; nothing executable is loaded."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        index = {name.removeprefix("index_"): found[name] for name in found if name.startswith("index_")}
        return Embedding(found["coordinates"], found["eigenvalues"], found["imaginary"],
                         found.get("column_means"), index)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError,
            AttributeError, TypeError) as error:
        raise InputError(f"{path} is not an embedding ({error}). Delete it and run inpca.py again") from error


def load_published(path, names=()):
    """Read a published embedding (`.pkl`), admitting numpy arrays only.

    The file holds `eigen_values` (M,), `imaginary` (M,) and `inpca_embedding`, a list over tasks of arrays (seeds,
    checkpoints, k).  names: of the tasks, by default task_0, task_1, ...  New models cannot be placed into it.

    Raises InputError if the file asks for anything else to be loaded, or holds something else.
    """
    try:
        content = _ArraysOnly(io.BytesIO(Path(path).read_bytes())).load()
        tasks = content["inpca_embedding"]
        arrays = [content["eigen_values"], content["imaginary"], *tasks]
        if any(type(a) is not np.ndarray or a.dtype.kind not in "fb" for a in arrays):
            raise ValueError("expected arrays of numbers")
        shapes = [a.shape for a in tasks]
        seed, checkpoint = (np.concatenate([np.indices(s[:2])[i].ravel() for s in shapes]) for i in (0, 1))
        names = [*names, *(f"task_{i}" for i in range(len(names), len(tasks)))]
        run = np.repeat(names, [s[0] * s[1] for s in shapes])
        index = {"run": run, "seed": seed, "checkpoint": checkpoint, "t": checkpoint.astype(float)}
        return Embedding(np.concatenate([a.reshape(-1, a.shape[2]) for a in tasks]), arrays[0], arrays[1], None, index)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # a pickle that is not one raises whatever it likes
        raise InputError(f"{path} is not a published embedding: {error}") from error


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows three names of numpy; anything else in the file is refused before it runs."""

    def find_class(self, module, name):
        reconstruct = np.empty(0).__reduce__()[0]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}; only numpy arrays are admitted")


def main():
    parser = runs.options(__doc__)
    parser.add_argument("--device", help="of the distances: cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument("--precision", choices=distance.PRECISIONS,
                        help="of the products in distances; default: float64, on CUDA float32")
    arguments = parser.parse_args()
    trajectories, name = runs.find(arguments)
    inputs = [runs.identity(trajectories, arguments.predictions), str(arguments.predictions),
                                                            arguments.precision]
    runs.once(arguments.plots / name / ".inpca.json", inputs,
              lambda: embed_and_draw(trajectories, name, arguments), redo=arguments.redo)


def embed_and_draw(trajectories, name, arguments):
    """Write the embedding of the trajectories and its figures; return what to print and the paths."""
    index = runs.index(trajectories)
    summaries = trajectory.summarise_all(trajectories, arguments, show=True)
    if None not in summaries:
        index["accuracy"] = np.concatenate([summary.accuracy for summary in summaries])
        index["progress"] = np.concatenate([summary.progress for summary in summaries])
    D = distance.pairwise(trajectories, device=arguments.device, precision=arguments.precision, progress=True)
    report_coincidences(D, index)
    embedding = fit(D, k=min(10, len(D)), index=index)
    target = arguments.predictions / "embedding" / f"{name}.npz"
    remove_orphans(target.parent, target.name)
    save(target, embedding)
    folder, stress = arguments.plots / name, embedding.explained_stress()
    shown = embedding.coordinates[:, :3], embedding.imaginary[: min(3, len(D))], index
    written = [target, *plot.embedding(folder, *shown, stress[:3]),
               *plot.spectrum(folder, embedding.eigenvalues, embedding.imaginary, stress),
               *plot.distance_matrix(folder, D, index), *plot.interactive(folder, *shown)]
    imaginary = ", ".join(str(i + 1) for i in np.flatnonzero(embedding.imaginary[:5])) or "none"
    return (f"{len(D)} models, {trajectories[0].shape[1]} samples, {trajectories[0].shape[2]} classes\n"
            f"explained stress of 1..5 axes: {' '.join(f'{s:.4f}' for s in stress[:5])} (imaginary: {imaginary})",
            written)


def report_coincidences(D, index):
    """Log pairs of models of different seeds of a run at distance 0: such copies deflate the spread over seeds."""
    i, j = np.nonzero(np.triu(D < 1e-9, 1))
    same = (index["run"][i] == index["run"][j]) & (index["seed"][i] != index["seed"][j])
    for a, b in list(zip(i[same], j[same]))[:3]:
        log.warning("warning: %s: seeds %d and %d coincide at checkpoints %d and %d (distance 0)", index["run"][a],
                    index["seed"][a], index["seed"][b], index["checkpoint"][a], index["checkpoint"][b])
    if same.sum() > 3:
        log.warning("warning: ... and %d more pairs of models of different seeds", same.sum() - 3)


if __name__ == "__main__":
    command(main)
