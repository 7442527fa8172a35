"""Packing images: write the files that `packed.py` reads, a folder of images into files of PART images each.

Every file appears when it is complete, and the index after all of them.  So the same command goes on where packing was
interrupted, and an image that was replaced under its name is packed again (see `stamps.py`).
"""

import concurrent.futures
import contextlib
import hashlib
import io
import json
import os
import signal
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from PIL import Image
from tqdm import tqdm

from info_geometry.files import InputError, atomic_path, hdf5, log, remove_orphans, write_text, writing
from learning.data import packed, stamps
from learning.data.folders import Folder
from learning.data.packed import FORMAT_VERSION, INDEX, RECIPE
from learning.data.pixels import decode, reason

PART = 2048


class Packing(NamedTuple):
    """What came of packing a folder: whether anything was to do, how many images and bytes there are now, and a message
    for each image that was left out because it cannot be read."""

    done: bool
    images: int
    bytes: int
    corrupt: list[str]


class CorruptImages(InputError):
    """Images that cannot be read, of which `messages` names each."""

    def __init__(self, sentence: str, messages: list[str]):
        super().__init__(sentence)
        self.messages = messages


def pack(
    source: Folder, target: Path, pool: concurrent.futures.Executor, *, size: int, quality: int, skip_corrupt: bool
) -> Packing:
    """Pack the images of a source into the folder `target`, unless they are there, in the processes of a pool.

    size: pixels of the short side, at most.  quality: of the JPEGs.  At the end all files are read and compared with
    their checksums.

    Raises CorruptImages where images cannot be read, unless they are to be left out (skip_corrupt); InputError where
    files cannot be written, or differ from what was written.
    """
    names, settings = [os.fsdecode(path) for path in source.paths], {"size": size, "quality": quality}
    remove_orphans(target)
    remove_orphans(stamps.path(packed.part_path(target, 0)).parent)
    index = {"origin": origin(names, source.labels, **settings), "classes": source.class_names, **settings}
    index["recipe"] = RECIPE
    drop_other_index(target, index["origin"])
    parts = [packed.part_path(target, number) for number in range(-(-len(names) // PART))]
    for other in set(packed.parts_in(target)) - set(parts):  # of more images than there are now
        other.unlink()
    counts, corrupt, written = zip(*_packed_parts(source, names, parts, pool, skip_corrupt=skip_corrupt, **settings))
    corrupt = [message for messages in corrupt for message in messages]
    if corrupt and not skip_corrupt:
        raise CorruptImages(
            f"{source.root}: {len(corrupt)} of {len(names)} images cannot be read; replace them, or leave "
            "them out with --skip-corrupt",
            corrupt,
        )
    if 0 in counts:
        raise InputError(f"{source.root}: no image from {names[counts.index(0) * PART]} on can be read")
    index |= {"images": list(counts), "corrupt": corrupt}
    done = any(written) or not has_index(target, index)
    if done:
        verifying = pool.map(packed.verify, parts)
        for _ in tqdm(verifying, f"verifying {target.name}", len(parts), leave=False, disable=None):
            pass
        write_index(target, index)
    return Packing(done, sum(counts), sum(part.stat().st_size for part in parts), corrupt)


def _packed_parts(source, names, parts, pool, **settings):
    """Return for each file what `pack_part` says of it, once all are there; the first that fails stops the rest."""
    # a new process is deaf to Ctrl-C until it knows what to do then
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    futures = []
    for number, part in enumerate(parts):
        own = slice(number * PART, (number + 1) * PART)
        futures.append(pool.submit(pack_part, part, source.root, names[own], source.labels[own], **settings))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        with tqdm(total=len(names), unit=" images", desc=parts[0].parent.name, leave=False, disable=None) as bar:
            for future in concurrent.futures.as_completed(futures):
                images, corrupt, _ = future.result()
                bar.update(images + len(corrupt))
    except InputError:
        for future in futures:
            future.cancel()
        raise
    return [future.result() for future in futures]


def pack_part(
    path: Path, root: Path, names: Sequence[str], labels: Sequence[int], *, size: int, quality: int, skip_corrupt: bool
) -> tuple[int, list[str], bool]:
    """Write one file from the images `names` in the folder `root`, unless it is there and they are what they were.

    Returns how many images it holds, a message for each image that cannot be read (those are left out with
    `skip_corrupt`, and without it the file is not written), and whether it was written.
    """
    same = origin(names, labels, size, quality)
    with contextlib.suppress(InputError):  # not there, or damaged
        there = packed.Part(path)
        corrupt = there.attributes.get("corrupt")
        whole = corrupt == [] and there.labels.tolist() == list(labels)
        fits = there.attributes.get("origin") == same and (whole or (skip_corrupt and corrupt))
        if fits and stamps.unchanged(path, root, names, there.digests(len(names))):
            return len(there.labels), corrupt, False
    (path.parent / INDEX).unlink(missing_ok=True)  # it would publish old files beside new ones
    now = stamps.of(root, names)  # before they are read: what changes later is noticed
    images, kept, corrupt, digests = [], [], [], []
    for name, label in zip(names, labels):
        digests.append(stamps.NO_DIGEST)
        try:
            raw = (root / name).read_bytes()
            digests[-1] = stamps.digest(raw)
            images.append(reduced(raw, size, quality))
            kept.append(label)
        except Exception as error:  # damaged files make Pillow raise almost anything
            corrupt.append(f"{root / name}: {reason(error)}")
    if images and (skip_corrupt or not corrupt):
        write_part(path, images, kept, digests, origin=same, corrupt=json.dumps(corrupt))
        stamps.write(path, now)
    return len(images), corrupt, True


def reduced(raw: bytes, size: int, quality: int) -> bytes:
    """Return an RGB JPEG (bytes) of an encoded image, its short side at most `size` pixels.

    An image that needs no change, and would only grow by being encoded again, stays as it is.  Raises as `decode` does.
    """
    with Image.open(io.BytesIO(raw)) as image:
        kept = image.format == "JPEG" and image.mode == "RGB" and min(image.size) <= size
    image = Image.fromarray(decode(raw).permute(1, 2, 0).numpy())
    if min(image.size) > size:
        scale = size / min(image.size)
        image = image.resize([max(size, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return raw if kept and len(raw) <= buffer.tell() else buffer.getvalue()


def origin(names: Iterable[str], labels: Iterable[int], size: int, quality: int) -> str:
    """Return a text that is the same for images of the same names and labels packed in the same way."""
    lines = [f"{RECIPE} {size} {quality}", *(f"{label} {name}" for name, label in zip(names, labels))]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def write_part(
    path: Path, encoded: Sequence[bytes], labels: Sequence[int], digests: Sequence[bytes], **attributes: Any
) -> None:
    """Write one file from n encoded images and their labels (n,), atomically; raise InputError where it cannot be.

    digests: of the files that they, and those that cannot be read, come from.
    """
    arrays = {
        "digests": np.frombuffer(b"".join(digests), np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        "labels": np.asarray(labels, np.int32),
        "crc32": np.array([zlib.crc32(raw) for raw in encoded], np.uint32),
        "jpeg": np.frombuffer(b"".join(encoded), np.uint8),
    }  # contiguous: a chunk would be read as a whole
    with atomic_path(path) as temporary, writing(path), hdf5.Disk(temporary, "w+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            for name, array in arrays.items():  # jpeg has checksums of its own
                file.create_dataset(name, data=array, fletcher32=name != "jpeg")
            for key, value in attributes.items():
                file.attrs[key] = value
        disk.check()


def has_index(root: Path, index: dict[str, Any]) -> bool:
    """Return whether packed images have been published with this index."""
    with contextlib.suppress(InputError):
        return packed.read_index(root) == {"format_version": FORMAT_VERSION, **index}
    return False


def drop_other_index(root: Path, origin: str) -> None:
    """Take packed images back that are published but come from other images or settings."""
    with contextlib.suppress(InputError):
        index = packed.read_index(root)
        if index is None or index.get("origin") == origin:
            return
        log.info("%s: was packed from other images, with other settings or by another version; packing again", root)
    (Path(root) / INDEX).unlink(missing_ok=True)


def write_index(root: str | Path, index: dict[str, Any]) -> None:
    """Publish packed images that are complete."""
    write_text(Path(root) / INDEX, json.dumps({"format_version": FORMAT_VERSION, **index}, indent=1) + "\n")
