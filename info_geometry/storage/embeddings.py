"""Embeddings as files: `.npz` of plain arrays, and published pickles, of which nothing but arrays is loaded."""

import io
import pickle
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from info_geometry.files import InputError, atomic_path

REQUIRED = ("coordinates", "eigenvalues", "imaginary")
PARAMETERS = (
    *(*REQUIRED, "column_means", "total_squares"),
    *("landmarks", "placing", "origin", "stress", "stress_error", "weights"),
)


def places(predictions: Path, plots: Path, name: str) -> tuple[Path, Path]:
    """Return where the embedding of a picture lies, and where instead if nothing can be written there.

    predictions, plots: the folders of all.
    """
    return predictions / "embedding" / f"{name}.npz", plots / name / "embedding.npz"


def find(predictions: Path, plots: Path, name: str) -> Path:
    """Return the path of the embedding of a picture.  Raises InputError where there is none."""
    usual, instead = places(predictions, plots, name)
    if usual.exists() or instead.exists():
        return usual if usual.exists() else instead
    raise InputError(f"{usual}: no such file; make it with: python -m info_geometry.inpca --name {name}")


def write(path: str | Path, fields: dict) -> None:
    """Write the fields of an `inpca.Embedding` as `.npz`, atomically; those that are None are left out.

    The columns of its index are arrays named `index_<column>`.
    """
    arrays = {name: fields[name] for name in PARAMETERS if fields.get(name) is not None}
    arrays.update({f"index_{name}": np.asarray(column) for name, column in fields["index"].items()})
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def read(path: str | Path) -> dict:
    """Return the fields that `write` wrote.  Raises InputError for any other file; nothing executable is loaded."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in dict.fromkeys((*REQUIRED, *arrays.files))}
        fields = {name: content[name] for name in PARAMETERS if name in content}
        if "total_squares" in fields:
            fields["total_squares"] = float(fields["total_squares"])
        columns = {name.removeprefix("index_"): content[name] for name in content if name.startswith("index_")}
        return {**fields, "index": columns}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        MemoryError,
        AttributeError,
        TypeError,
    ) as error:
        raise InputError(f"{path} is not an embedding ({error}). Delete it and run inpca.py again") from error


def read_published(path: str | Path, names: Sequence[str] = ()) -> dict:
    """Return the fields of a published embedding (`.pkl`), admitting numpy arrays only.

    The file holds `eigen_values` (M,), which later code calls `singular_value`, `imaginary` (M,) and
    `inpca_embedding`, of each task an array (seeds, checkpoints, k), in a list or in one array; where it is complex,
    coordinates along imaginary axes are imaginary.
    The paper's own figure also holds `tasks`, a list of names.  names: of the tasks, by default these, or task_0, ...

    Raises InputError if the file asks for anything else to be loaded, or holds something else.
    """
    try:
        content = ArraysOnly(io.BytesIO(Path(path).read_bytes())).load()
        tasks, imaginary = list(content["inpca_embedding"]), content["imaginary"]
        values = content["eigen_values"] if "eigen_values" in content else content["singular_value"]
        arrays = [values, imaginary, *tasks]
        if any(type(a) is not np.ndarray or a.dtype.kind not in "fbc" for a in arrays):
            raise ValueError("expected arrays of numbers")
        arrays[0], tasks = _real(arrays[0]), [_real(a, imaginary) for a in tasks]
        shapes = [a.shape for a in tasks]
        names = names or _names(content.get("tasks"), len(tasks))
        seed, checkpoint = (np.concatenate([np.indices(s[:2])[i].ravel() for s in shapes]) for i in (0, 1))
        if names and len(names) != len(tasks):
            raise InputError(f"{path} holds {len(tasks)} tasks, but {len(names)} names were given; name each, in order")
        if len({*names}) < len(names):
            raise InputError(f"names of tasks in {path} are given twice: {', '.join(names)}; name each once")
        names = list(names) or [f"task_{i}" for i in range(len(tasks))]
        run = np.repeat(names, [s[0] * s[1] for s in shapes])
        index = {"run": run, "seed": seed, "checkpoint": checkpoint, "t": checkpoint.astype(float)}
        return {
            "coordinates": np.concatenate([a.reshape(-1, a.shape[2]) for a in tasks]),
            "eigenvalues": arrays[0],
            "imaginary": arrays[1],
            "index": index,
        }
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError:
        raise
    except Exception as error:  # a pickle that is not one raises whatever it likes
        raise InputError(f"{path} is not a published embedding: {error}") from error


def _real(array, imaginary=None):
    """Return a complex array (..., k) as real numbers, along axes that are imaginary (K,) from its imaginary part.

    Raises ValueError where there is something in the other part.
    """
    if array.dtype.kind != "c":
        return array
    turned = array.copy()
    if imaginary is not None:
        axes = np.flatnonzero(np.asarray(imaginary, bool)[: array.shape[-1]])
        axes = axes[np.abs(array[..., axes].real).max(axis=tuple(range(array.ndim - 1))) == 0]  # else they are real
        turned[..., axes] = array[..., axes].imag
    if np.abs(turned.imag).max(initial=0) > 1e-9 * np.abs(turned).max(initial=0):
        raise ValueError(f"coordinates have imaginary parts up to {np.abs(turned.imag).max():.2g}")
    return np.ascontiguousarray(turned.real)


def _names(said, count):
    """Return the names of tasks that a file says, or none."""
    if isinstance(said, list) and len(said) == count and all(type(name) is str for name in said):
        return said if len({*said}) == count else ()
    return ()


class ArraysOnly(pickle.Unpickler):
    """An unpickler that knows three names of numpy; anything else in the file is refused before it runs."""

    def find_class(self, module, name):
        reconstruct = np.empty(0).__reduce__()[0]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}; only numpy arrays are admitted")
