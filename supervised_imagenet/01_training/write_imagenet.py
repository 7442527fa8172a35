"""Pack a folder of images once, for all tasks, into files that are quick to read at random.

    python -m supervised_imagenet.01_training.write_imagenet SOURCE TARGET [--size 400] [--quality 90] [--workers N]

SOURCE holds train/<class>/*.JPEG and val/<class>/*.JPEG.  TARGET gets train/ and val/ with JPEGs whose short side is at
most `size` pixels, 2,048 to a file, and an index with the class names; it is what --data of the stages takes.  At the
end all is read back and compared with its checksums.

The same command again goes on where it was interrupted.  Images that cannot be read are named, and left out only with
--skip-corrupt.  One core (AMD EPYC) packs about 400 images of 500 x 375 pixels a second.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

from info_geometry.files import InputError, command, lock, remove_orphans

SHOWN = 20  # corrupt images that are named


def main():
    options = arguments()
    from learning.data import encoded as images  # takes seconds to import: only after --help and mistakes are answered

    sources = {split: images.Folder(options.source / split) for split in ("train", "val")}
    names = {split: source.class_names for split, source in sources.items()}
    if names["train"] != names["val"]:
        odd = sorted(set(names["train"]) ^ set(names["val"]))
        raise InputError(
            f"{options.source}: train and val have different class folders ({len(names['train'])} and "
            f"{len(names['val'])}; only one of them has {', '.join(odd[:5])}); both need the same ones"
        )
    counts = {"done": 0, "skipped (already complete)": 0, "failed": 0}
    # spawned: a forked process would hold what the others wait for to learn that this one is gone
    context = multiprocessing.get_context("spawn")
    with (
        lock(options.target / ".lock", str(options.target)),
        concurrent.futures.ProcessPoolExecutor(options.workers, context, end_with_parent) as pool,
    ):
        for split, source in sources.items():
            try:
                counts[pack(source, options.target / split, options, pool)] += 1
            except InputError as error:
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


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder with train/ and val/")
    parser.add_argument("target", metavar="TARGET", type=Path, help="folder for the packed images")
    parser.add_argument("--size", type=int, default=400, help="pixels of the short side, at most; default: %(default)s")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs, 1 to 95; default: %(default)s")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes; default: one a core")
    parser.add_argument("--skip-corrupt", action="store_true", help="leave images out that cannot be read")
    options = parser.parse_args()
    if options.size < 1 or not 1 <= options.quality <= 95 or options.workers < 1:
        raise InputError("--size and --workers take positive numbers, --quality one from 1 to 95")
    if options.source.resolve() == options.target.resolve():
        raise InputError(f"{options.target}: SOURCE and TARGET are the same folder; choose another TARGET")
    return options


def pack(source, target, options, pool):
    """Pack the images of a split into `target`, unless they are there; raise InputError if some cannot be read."""
    from tqdm import tqdm

    from learning.data import packed

    paths = [os.fsdecode(path) for path in source.paths]
    settings = {"size": options.size, "quality": options.quality}
    remove_orphans(target)
    index = {"origin": packed.origin(paths, source.labels, **settings), "classes": source.class_names, **settings}
    packed.drop_other_index(target, index["origin"])
    starts = range(0, len(paths), packed.PART)
    parts = [packed.part_path(target, number) for number in range(len(starts))]
    for other in set(target.glob("[0-9]" * 5 + ".h5")) - set(parts):  # of more images than there are now
        other.unlink()
    # a new process is deaf to Ctrl-C until it knows what to do then
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    futures = [
        pool.submit(
            packed.pack_part,
            part,
            source.root,
            paths[start : start + packed.PART],
            source.labels[start : start + packed.PART],
            skip_corrupt=options.skip_corrupt,
            **settings,
        )
        for part, start in zip(parts, starts)
    ]
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        with tqdm(total=len(paths), unit=" images", desc=target.name, leave=False, disable=None) as bar:
            for future in concurrent.futures.as_completed(futures):
                images, corrupt, _ = future.result()
                bar.update(images + len(corrupt))
    except InputError:
        for future in futures:
            future.cancel()
        raise
    counts, corrupt, written = zip(*(future.result() for future in futures))
    corrupt = [message for messages in corrupt for message in messages]
    if corrupt and not options.skip_corrupt:
        show(corrupt, "error")
        raise InputError(
            f"{source.root}: {len(corrupt)} of {len(paths)} images cannot be read; replace them, or leave "
            "them out with --skip-corrupt"
        )
    if 0 in counts:
        raise InputError(f"{source.root}: no image from {paths[counts.index(0) * packed.PART]} on can be read")
    index |= {"images": list(counts), "corrupt": corrupt}
    if not any(written) and packed.has_index(target, index):
        return "skipped (already complete)"
    show(corrupt, "left out")
    for _ in tqdm(pool.map(packed.verify, parts), f"verifying {target.name}", len(parts), leave=False, disable=None):
        pass
    packed.write_index(target, index)
    print(
        f"{target}: {sum(counts)} images, {sum(part.stat().st_size for part in parts) / 1e6:.1f} MB"
        + (f", {len(corrupt)} left out" if corrupt else ""),
        flush=True,
    )
    return "done"


def show(corrupt, outcome):
    for message in corrupt[:SHOWN]:
        print(f"{outcome}: {message}", file=sys.stderr, flush=True)


def end_with_parent():
    """Let a process end when the one that started it does, or at Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


if __name__ == "__main__":
    command(main)
