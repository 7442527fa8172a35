"""Published trajectories that can be fetched: downloaded, checked, and stored as files of ours.

    python -m info_geometry.predictions fetch             says what there is
    python -m info_geometry.predictions fetch cifar100    downloads it and writes predictions/cifar100_*/preds_*.h5

Downloads lie in `predictions/downloads/` until all their seeds are stored; `predictions/downloads.json` keeps their
SHA-256, and what has another one later is refused.  What was interrupted goes on: downloads byte by byte, the rest
seed by seed.
"""

import contextlib
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from info_geometry.files import ROOT, InputError, lock, log, remove_orphans
from info_geometry.published import ledger
from info_geometry.published.download import digest, download
from info_geometry.published.hosted import HOSTED, IMAGENET, check_array, listing, open_array, train_labels
from info_geometry.storage import recorder
from info_geometry.storage.checking import check
from info_geometry.storage.labels import as_labels, read_labels, right_by_chance
from info_geometry.storage.trajectories import open_trajectory

HUB = "https://huggingface.co"  # or what HF_ENDPOINT says, as for the Hub's own client
DATA = ROOT / "supervised_imagenet" / "data"  # where the stages download data sets to
HEADER = 4096  # more bytes than stand before the numbers of an .npy file


def fetch(name: str, folder: str | Path, *, labels: str | Path | None = None, keep: bool = False) -> None:
    """Write folder/<name>_<task>/preds_<seed>.h5 for what is hosted under `name`, and say what was done.

    labels: path of an array of the true classes (N,), by default taken from the data set, which is downloaded if it is
    not in `supervised_imagenet/data/`.  keep: leave the downloads in folder/downloads/.

    Raises InputError where a download cannot be had, is not sound or differs from an earlier one, where the labels
    belong to other samples, and where something else lies under a name that is to be written.
    """
    folder = Path(folder)
    if name == "imagenet":
        raise InputError(IMAGENET.format(folder))
    if name not in HOSTED:
        raise InputError(f"nothing called {name!r} can be fetched; this can:\n{listing(folder)}")
    hosted, downloads = HOSTED[name], folder / "downloads"
    truth = None if labels is None else _given_labels(Path(labels), hosted)
    targets = {
        task: [folder / f"{name}_{task}" / f"preds_{seed}.h5" for seed in range(hosted.shape[0])]
        for task in hosted.files
    }
    with lock(folder / ".fetch.lock", f"{name} in {folder}"):
        remove_orphans(downloads)
        missing = [path for task in targets for path in targets[task] if not _stored(path, hosted, task, truth)]
        archive, room = downloads / hosted.labels.url.rpartition("/")[2], len(missing) * hosted.stored
        if missing and truth is None:
            truth = _labels(hosted, archive, folder, room + hosted.bytes * (len(targets) if keep else 1))
        for task, paths in targets.items():
            source, attributes = downloads / Path(hosted.files[task][0]).name, {"dataset": name, "task": task}
            if set(paths) & set(missing):
                attributes |= _download(hosted, task, source, folder, room)
            for seed, path in enumerate(paths):
                if path in missing:
                    _store(source, seed, path, hosted, truth, attributes)
                    room -= hosted.stored
                else:
                    print(f"{path}: skipped (already there)", flush=True)
            if not keep:
                source.unlink(missing_ok=True)
        if not keep:
            archive.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not there, or something else is in it
                downloads.rmdir()
    print(f"{len(missing)} stored, {sum(map(len, targets.values())) - len(missing)} skipped")


def _stored(path, hosted, task, truth):
    """Return whether a seed is stored; raise InputError if its file is not sound or holds something else."""
    if not path.exists():
        return False
    check(path)
    old = open_trajectory(path)
    if old.shape != hosted.shape[1:] or old.attributes.get("task") != task or "source" not in old.attributes:
        raise InputError(f"{path} is there and is not {task} as it is published; move it elsewhere, or say --to FOLDER")
    if truth is not None and not np.array_equal(old.labels, truth):
        raise InputError(f"{path} was stored with other labels than those given; leave --labels out, or delete it")
    return True


def _download(hosted, task, path, folder, room):
    """Download the .npy file of a task to `path` if it is not there, and check it; return where it is from.

    What is returned are attributes of prediction files.  Raises InputError where the file is not sound, or is another
    one than the first time.
    """
    address, known = hosted.files[task]
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    if not hub.startswith(("https://", "http://")):
        raise InputError(f"HF_ENDPOINT is {hub!r}, expected the address of a server: https://...")

    def accept(file, sha256):
        ledger.check(folder, path, sha256, known)
        check_array(open_array(file, hosted.shape, path), path)

    if path.exists():
        sha256 = digest(path)
        accept(path, sha256)
    else:
        sha256 = download(f"{hub}/{address}", path, (hosted.bytes, hosted.bytes + HEADER), accept, room=room)
    ledger.enter(folder, path, f"{hub}/{address}", sha256)
    return {"source": f"{hub}/{address}", "source_sha256": sha256}


def _store(source, seed, path, hosted, truth, attributes):
    """Write the predictions of one seed, and say how accurate they are."""
    models = open_array(source, hosted.shape, source)[seed]
    first = np.mean(models[0].argmax(axis=1) == truth)
    last, chance, doubtful = right_by_chance(models[-1].astype(np.float64), truth)
    if doubtful:
        raise InputError(
            f"{source}: seed {seed} agrees with {last:.1%} of the labels at the end of training, "
            f"expected more than chance, {chance:.1%}: they are not those of the first "
            f"{hosted.shape[2]} {hosted.split} images in their order; give others with --labels FILE"
        )
    with lock(path.with_name(f".{path.stem}.lock"), path, wait=True):
        remove_orphans(path.parent, path.name)
        bar = tqdm(models, desc=f"{path.parent.name}/{path.stem}", unit=" models", leave=False, disable=None)
        recorder.write(
            path, bar, labels=truth, t=hosted.t, t_name=hosted.t_name, seed=seed, split=hosted.split, **attributes
        )
    print(
        f"{path}: {len(models)} models, accuracy {first:.3f} to {last:.3f}, {path.stat().st_size / 1e6:.1f} MB",
        flush=True,
    )


def _given_labels(path, hosted):
    """Return the labels in a file (N,); raise InputError if they cannot be those of the samples."""
    array, (_, _, N, C) = read_labels(path), hosted.shape
    if array is None:
        raise InputError(f"{path}: no such file")
    return as_labels(array, f"{path}, of the first {N} {hosted.split} images", N, C)


def _labels(hosted, archive, folder, room):
    """Return the labels (N,) from the data set where it was downloaded to, else from its archive, downloaded."""
    member = hosted.labels.member
    for path in (DATA / member, DATA / archive.name):
        if path.exists():
            try:
                return train_labels(path, hosted)
            except InputError as error:
                log.warning("%s", error)

    def accept(file, _):
        md5 = digest(file, "md5")
        if md5 != hosted.labels.md5:
            raise InputError(
                f"{archive} has MD5 {md5}, expected {hosted.labels.md5}; delete it if it is there and fetch again"
            )

    try:
        if archive.exists():
            accept(archive, None)
        else:
            sha256 = download(hosted.labels.url, archive, (hosted.labels.size, hosted.labels.size), accept, room=room)
            ledger.enter(folder, archive, hosted.labels.url, sha256)
        return train_labels(archive, hosted)
    except InputError as error:
        raise InputError(f"{error}. Or give the labels: --labels FILE.npy") from None
