"""Prediction files turned into others: published ones into ours and back, and into other quantities.

People call this as `python -m info_geometry.predictions convert`.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from info_geometry.files import InputError, lock, remove_orphans, writing
from info_geometry.storage import format, recorder
from info_geometry.storage.labels import read_labels, whole_labels
from info_geometry.storage.quantities import PUBLISHED, STEP, describe, encode, type_of
from info_geometry.storage.trajectories import open_trajectory


def convert(path, folder, quantity, *, labels=None, compression=None, redo=False):
    """Turn a prediction file into another one, folder/<run>/preds_<seed>.h5, and return a report (str).

    quantity: what it is to hold, or "published".  labels: (N,) for a file without; by default those in
    `labels/<data set>_val_labels.npy` beside its run.  What is there already is left as it is if it holds the same.

    Raises InputError where the source is not sound or has no labels, and where something else is there.
    """
    source, place = open_trajectory(path), Path(path).absolute()
    target = Path(folder) / place.parent.name / place.name
    if target.absolute() == place or (target.exists() and target.samefile(place)):
        raise InputError(f"{path} would be overwritten by what it is turned into; name another folder than {folder}")
    labels = _labels(source, labels, needed=quantity != PUBLISHED)
    with (
        lock(target.with_name(f".{target.stem}.lock"), target, wait=True),
        tqdm(total=source.shape[0], desc=target.parent.name, unit=" models", leave=False, disable=None) as bar,
    ):
        remove_orphans(target.parent, target.name)
        if target.exists() and not redo:
            if not _holds(target, source, quantity, labels, bar):
                raise InputError(f"{target} is there and holds something else than {path}; delete it, or say --redo")
            return f"{target}: skipped (already complete; --redo writes it again)"
        write_as(source, target, quantity, bar, labels=labels, compression=compression)
    sizes = [x.stat().st_size / 1e6 for x in (place, target)]
    return f"{target}: {source.shape[0]} models as {quantity}, {sizes[1]:.1f} MB ({sizes[0]:.1f} MB before)"


def _labels(source, labels, needed):
    """Return the true labels (N,) of an opened file: its own, those given, or those that lie beside its run."""
    if source.labels is not None:
        return source.labels
    place = source.path.absolute().parent
    beside = place.parent / "labels" / f"{place.name.split('_')[0]}_val_labels.npy"
    found = read_labels(beside) if labels is None else np.asarray(labels)
    if found is None and needed:
        raise InputError(f"{source.path} carries no labels, and {beside} is not there; say --labels FILE")
    if found is None:
        return None
    whole = whole_labels(found, source.shape[1])
    if whole is None:
        raise InputError(
            f"{source.path}: expected {source.shape[1]} labels, one for each of its samples, not {describe(found)}"
        )
    return whole


def _holds(target, source, quantity, labels, bar):
    """Return whether `target` holds what `source` is to be turned into; raise InputError if it is not sound."""
    there = open_trajectory(target)
    published = quantity == PUBLISHED
    kept = {key: value for key, value in source.attributes.items() if key not in format.OURS}
    if (
        there.shape != source.shape
        or there.published != published
        or not (published or there.quantity == quantity)
        or not np.array_equal(there.t, source.t)
        or any(there.attributes.get(key) != kept[key] for key in kept)
        or (labels is not None and not np.array_equal(there.labels, labels))
    ):
        return False
    return all(
        np.array_equal(there.select([i]).stored()[0], stored) for i, stored in recode_models(source, quantity, bar)
    )


def recode(source, models, start, stop, quantity):
    """Return samples start..stop of some models of an opened trajectory as `quantity` stores them, (t, n, C)."""
    part = source.select(models)
    stored = part.stored(start, stop)
    if quantity == (PUBLISHED if source.published else source.quantity) and stored.dtype == np.dtype(type_of(quantity)):
        part.decode(stored, np.float32)  # refuses what is not sound
        return stored
    found, step = np.empty(stored.shape, type_of(quantity)), max(1, STEP // stored.shape[2])
    for i in range(len(found)):
        model = part.select([i])
        for n in range(0, found.shape[1], step):
            roots = model.decode(stored[i : i + 1, n : n + step], np.float64)
            found[i, n : n + step] = encode(np.square(roots[0], out=roots[0]), quantity)
    return found


def recode_models(source, quantity, bar):
    """Yield (model, its stored numbers (N, C)) of an opened trajectory as `quantity` stores them."""
    T, N, C = source.shape
    together, rows = (source.chunks or (1, N))[:2]  # models that share chunks are read together, if they fit
    together = max(1, min(together, (1 << 30) // (2 * N * C)))
    rows *= max(1, (1 << 24) // (rows * C * together))
    for first in range(0, T, together):
        models = range(first, min(T, first + together))
        found = np.empty((len(models), N, C), type_of(quantity))
        for n in range(0, N, rows):
            found[:, n : n + rows] = recode(source, models, n, n + rows, quantity)
        for i, stored in zip(models, found):
            yield i, stored
            bar.update()


def write_as(source, path, quantity, bar, *, labels=None, compression=None):
    """Write the models of an opened trajectory to `path` as `quantity` stores them, or as a published file.

    bar: a progress bar of models.  labels: true classes (N,), which only a published file does without.
    Memory is that of few models, however many there are.  Raises InputError where the source is not sound.
    """
    attributes = {key: value for key, value in source.attributes.items() if key not in format.OURS}
    t_name = source.attributes.get("t_name", "t")
    if quantity == PUBLISHED:
        _publish(source, path, bar, labels, {**attributes, "t_name": t_name})
        return
    with recorder.Recorder(
        path, labels=labels, quantity=quantity, compression=compression, t_name=t_name, **attributes
    ) as file:
        for i, stored in recode_models(source, quantity, bar):
            file.append_stored(stored, float(source.t[i]))


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
                stored = recode(source, models, n, n + rows, PUBLISHED)
                with writing(path):
                    data[first : first + together, n : n + rows] = stored
                    disk.check()
            bar.update(len(models))
        with writing(path):
            if labels is not None:
                attributes["labels_sha256"] = format.fingerprint(labels)
            format.complete(file, disk, source.t, labels, attributes)
