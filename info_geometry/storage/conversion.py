"""Prediction files turned into others: published ones into ours and back, and into other quantities.

People call this as `python -m info_geometry.predictions convert`.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from info_geometry.files import InputError, lock, log, remove_orphans, writing
from info_geometry.storage import format
from info_geometry.storage.attributes import encoded
from info_geometry.storage.beside import labels_path
from info_geometry.storage.labels import as_labels, doubts, read_labels
from info_geometry.storage.quantities import PUBLISHED, STEP, encode, type_of
from info_geometry.storage.trajectories import open_trajectory
from info_geometry.storage.writer import Writer


def convert(
    path: str | Path,
    folder: str | Path,
    quantity: str,
    *,
    labels: np.ndarray | None = None,
    compression: str | None = None,
    redo: bool = False,
    order: str | None = None,
) -> str:
    """Turn a prediction file into another one, folder/<run>/preds_<seed>.h5, and return a report of one line.

    quantity: what it is to hold, or "published".  labels: (N,) for a file without; by default those in
    `labels/<data set>_val_labels.npy` beside its run.  What is there already is left as it is if it holds the same.
    order: "sort" puts the models in the order of t, "keep" says that t need not increase; else it has to.

    Raises InputError where the source is not sound or has no labels, and where something else is there.
    """
    source, origin = _ordered(open_trajectory(path), order), Path(path).absolute()
    target = Path(folder) / origin.parent.name / origin.name
    if target.absolute() == origin or (target.exists() and target.samefile(origin)):
        raise InputError(f"{path} would be overwritten by what it is turned into; name another folder than {folder}")
    labels = _labels(source, labels, needed=quantity != PUBLISHED and source.published)
    with (
        lock(target.with_name(f".{target.stem}.lock"), target, wait=True),
        tqdm(total=source.shape[0], desc=target.parent.name, unit=" models", leave=False, disable=None) as bar,
    ):
        remove_orphans(target.parent, target.name)
        if target.exists() and not redo:
            if not _holds(target, source, quantity, labels, bar):
                raise InputError(f"{target} is there and holds something else than {path}; delete it, or say --redo")
            return f"{target}: skipped (already complete; --redo writes it again)"
        _write(source, target, quantity, bar, labels, compression)
        made = open_trajectory(target)
        if made.labels is not None and (doubt := doubts(made)):
            log.warning("warning: %s", doubt)
    sizes = [file.stat().st_size / 1e6 for file in (origin, target)]
    return f"{target}: {source.shape[0]} models as {quantity}, {sizes[1]:.1f} MB ({sizes[0]:.1f} MB before)"


def _ordered(source, order):
    """Return an opened file with its models in the order that is asked for, or refuse one that is none."""
    if order == "sort":
        source = source.select(np.argsort(source.t, kind="stable"))
    elif order == "keep":
        source.attributes["keep_order"] = 1
    if not source.attributes.get("keep_order") and (i := format.first_fall(source.t)):
        where = f"{source.path}: checkpoint {source.checkpoints[i]} has t = {source.t[i]:.12g}"
        if order == "sort":
            raise InputError(f"{where}, as another one has; --keep-order takes them as they are")
        raise InputError(
            f"{where} after {source.t[i - 1]:.12g}; --sort puts checkpoints in the order of t, --keep-order says that "
            "theirs is meant"
        )
    return source


def _labels(source, labels, needed):
    """Return the true labels (N,) of an opened file: its own, those given, or those that lie beside its run."""
    if source.labels is not None:
        return source.labels
    run = source.path.absolute().parent
    path = labels_path(run.name, source.attributes, run.parent)
    array = read_labels(path) if labels is None else labels
    if array is None and needed:
        raise InputError(f"{source.path} carries no labels, and {path} is not there; say --labels FILE")
    if array is None:
        return None
    return as_labels(array, source.path, *source.shape[1:])


def _holds(target, source, quantity, labels, bar):
    """Return whether `target` holds what `source` is to be turned into; raise InputError if it is not sound."""
    old = open_trajectory(target)
    published = quantity == PUBLISHED
    kept = {key: value for key, value in source.attributes.items() if key not in format.OURS}
    if (
        old.shape != source.shape
        or old.published != published
        or not (published or old.quantity == quantity)
        or not np.array_equal(old.t, source.t)
        or any(old.attributes.get(key) != kept[key] for key in kept)
        or (labels is not None and not np.array_equal(old.labels, labels))
    ):
        return False
    return all(np.array_equal(old.select([i]).stored()[0], stored) for i, stored in _recoded(source, quantity, bar))


def _recode(source, models, start, stop, quantity):
    """Return samples start..stop of some models (t,) of an opened file, (t, n, C), as `quantity` stores them.

    Raises InputError, naming the checkpoint and the sample, where the source is not sound.
    """
    selected = source.select(models)
    stored = selected.stored(start, stop)
    if quantity == (PUBLISHED if source.published else source.quantity) and stored.dtype == np.dtype(type_of(quantity)):
        selected.decode(stored, np.float32)  # refuses what is not sound
        return stored
    recoded, step = np.empty(stored.shape, type_of(quantity)), max(1, STEP // stored.shape[2])
    for i in range(len(recoded)):
        model = selected.select([i])
        for n in range(0, recoded.shape[1], step):
            roots = model.decode(stored[i : i + 1, n : n + step], np.float64)
            recoded[i, n : n + step] = encode(np.square(roots[0], out=roots[0]), quantity)
    return recoded


def _recoded(source, quantity, bar):
    """Yield (model, its numbers (N, C)) of an opened file as `quantity` stores them."""
    T, N, C = source.shape
    together, rows = (source.chunks or (1, N))[:2]  # models that share chunks are read together, if they fit
    together = max(1, min(together, (1 << 30) // (2 * N * C)))
    rows *= max(1, (1 << 24) // (rows * C * together))
    for first in range(0, T, together):
        models = range(first, min(T, first + together))
        numbers = np.empty((len(models), N, C), type_of(quantity))
        for n in range(0, N, rows):
            numbers[:, n : n + rows] = _recode(source, models, n, n + rows, quantity)
        for i, stored in zip(models, numbers):
            yield i, stored
            bar.update()


def _write(source, path, quantity, bar, labels, compression):
    """Write the models of an opened file to `path` as `quantity` stores them, or as a published file.

    bar: a progress bar of models.  labels: true classes (N,), which only a published file does without.
    Memory is that of few models, however many there are.  Raises InputError where the source is not sound.
    """
    attributes = {key: value for key, value in source.attributes.items() if key not in format.OURS}
    t_name, keep_order = source.attributes.get("t_name", "t"), bool(source.attributes.get("keep_order"))
    if quantity == PUBLISHED:
        given = {**attributes, "t_name": t_name, **({"keep_order": 1} if keep_order else {})}
        _publish(source, path, bar, labels, given)
        return
    with Writer(path, labels, quantity, compression, t_name, attributes, keep_order) as writer:
        writer.rounded = source.attributes.get("rounded")
        for i, stored in _recoded(source, quantity, bar):
            writer.append(stored, float(source.t[i]))


def _publish(source, path, bar, labels, attributes):
    """Write a published file; t and labels stay in it beside `data`, where they disturb nobody who reads that."""
    try:
        import hdf5plugin
    except ImportError:
        raise InputError(
            f"{path}: published files are compressed with LZ4, which needs: pip install hdf5plugin"
        ) from None
    with format.new_file(path) as (file, disk):
        with writing(path):
            data = file.create_dataset("data", shape=source.shape, dtype="f2", chunks=True, **hdf5plugin.LZ4())
        together, rows, _ = data.chunks
        for first in range(0, data.shape[0], together):
            models = range(first, min(data.shape[0], first + together))
            for n in range(0, data.shape[1], rows):
                stored = _recode(source, models, n, n + rows, PUBLISHED)
                with writing(path):
                    data[first : first + together, n : n + rows] = stored
                    disk.check()
            bar.update(len(models))
        with writing(path):
            if labels is not None:
                attributes["labels_sha256"] = format.fingerprint(labels)
            given = {key: encoded(key, value, path) for key, value in attributes.items()}
            format.complete(file, disk, source.t, labels, given)
