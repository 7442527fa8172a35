"""Pack a folder of images once, for all tasks, into files that are quick to read at random.

    python -m supervised_imagenet.01_training.write_imagenet SOURCE TARGET [--size 400] [--quality 90] [--workers N]

SOURCE holds train/<class>/*.JPEG and val/<class>/*.JPEG, or val/*.JPEG with the list that says their classes beside it:
ImageNet's development kit, Kaggle's LOC_val_solution.csv, or tiny-imagenet's val_annotations.txt.  TARGET gets train/
and val/ with JPEGs whose short side is at most `size` pixels, 2,048 to a file, and an index with the class names; it is
what --data of the stages takes.  At the end all is read back and compared with its checksums.

The same command again goes on where it was interrupted, and packs again what was replaced or mended meanwhile.  Images
that cannot be read are named, and left out only with --skip-corrupt.  One core (AMD EPYC) packs about 400 images of
500 x 375 pixels a second.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from info_geometry.files import InputError, command, lock

SHOWN = 20  # corrupt images that are named


def main(argv: Sequence[str] | None = None) -> int:
    given = arguments(argv)
    from learning.data import folders, packing, sets  # torch takes seconds: only after --help and mistakes are answered

    sources = {split: folders.Folder(given.source / split) for split in ("train", "val")}
    sets.check_classes(*sources.values())
    settings = {"size": given.size, "quality": given.quality, "skip_corrupt": given.skip_corrupt}
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    # spawned: a forked process would hold what the others wait for to learn that this one is gone
    context = multiprocessing.get_context("spawn")
    with (
        lock(given.target / ".lock", str(given.target)),
        concurrent.futures.ProcessPoolExecutor(given.workers, context, end_with_parent) as pool,
    ):
        for split, source in sources.items():
            target = given.target / split
            try:
                packed = packing.pack(source, target, pool, **settings)
                counts["done" if packed.done else "skipped (already complete)"] += 1
                if packed.done:
                    report(target, packed, len(source.class_names))
            except InputError as error:
                if isinstance(error, packing.CorruptImages):
                    name_some(error.messages, "error")
                print(f"error: {error}", file=sys.stderr, flush=True)
                counts["failed"] += 1
            except concurrent.futures.process.BrokenProcessPool:
                raise InputError(
                    "a process that packed was killed (out of memory?); the same command, with fewer "
                    "--workers, goes on from here"
                ) from None
            except BaseException:
                for process in multiprocessing.active_children():
                    process.terminate()
                raise
    print("packing: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return 1 if counts["failed"] else 0


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder with train/ and val/")
    parser.add_argument("target", metavar="TARGET", type=Path, help="folder for the packed images")
    parser.add_argument("--size", type=int, default=400, help="pixels of the short side, at most; default: %(default)s")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs, 1 to 95; default: %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes; default: one a core")
    parser.add_argument("--skip-corrupt", action="store_true", help="leave images out that cannot be read")
    given = parser.parse_args(argv)
    if given.size < 1 or not 1 <= given.quality <= 95 or given.workers < 1:
        raise InputError("--size and --workers take positive numbers, --quality one from 1 to 95")
    if given.source.resolve() == given.target.resolve():
        raise InputError(f"{given.target}: SOURCE and TARGET are the same folder; choose another TARGET")
    return given


def report(target: Path, packed, classes: int) -> None:
    """Print what was packed (a learning.data.packing.Packing) of how many classes, and which images were left out."""
    name_some(packed.corrupt, "left out")
    left_out = f", {len(packed.corrupt)} left out" if packed.corrupt else ""
    print(f"{target}: {packed.images} images of {classes} classes, {packed.bytes / 1e6:.1f} MB{left_out}", flush=True)


def name_some(corrupt: Sequence[str], outcome: str) -> None:
    """Print the first messages about images that cannot be read."""
    for message in corrupt[:SHOWN]:
        print(f"{outcome}: {message}", file=sys.stderr, flush=True)


def end_with_parent() -> None:
    """Let a process end when the one that started it does, or at Ctrl-C.

    It stands here and not in the library, so that a new process knows this before it imports torch.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


if __name__ == "__main__":
    command(main)
