"""The command `python -m info_geometry.predictions`: check, convert and fetch prediction files."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from info_geometry import predictions
from info_geometry.commands import doctor
from info_geometry.files import ROOT, InputError, command
from info_geometry.storage import checking, conversion, quantities


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.action == "check":
        return _check(arguments.files)
    if arguments.action == "fetch":
        return _fetch(arguments.name, arguments.to, arguments.labels, arguments.keep)
    return _convert(
        arguments.files,
        arguments.folder,
        arguments.to,
        labels_file=arguments.labels,
        compression=arguments.compression,
        redo=arguments.redo,
        order=arguments.order,
    )


def _parser():
    parser = argparse.ArgumentParser(description=predictions.__doc__.partition("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    check = actions.add_parser(
        "check",
        help="say what prediction files hold, whether they are sound, and what is odd about them",
        description="Each file is read from end to end. " + re.sub(r"\s+", " ", doctor.__doc__.split("\n\n")[1]),
        epilog=doctor.__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, runs, or folders of runs")
    converting = actions.add_parser("convert", help="turn prediction files into FOLDER/<run>/preds_<seed>.h5")
    converting.add_argument("files", nargs="+", type=Path, metavar="FILE", help="ours or published")
    converting.add_argument("folder", type=Path, metavar="FOLDER")
    converting.add_argument(
        "--to",
        choices=[*predictions.QUANTITIES, quantities.PUBLISHED],
        default="sqrt_probability",
        help="default: %(default)s",
    )
    converting.add_argument(
        "--compact",
        dest="to",
        action="store_const",
        const="fourth_root_8bit",
        help="half the bytes: the same as --to fourth_root_8bit",
    )
    converting.add_argument("--compression", choices=["gzip"], help="fewer bytes, slower to read")
    converting.add_argument(
        "--labels",
        type=Path,
        metavar="FILE.npy",
        help="true classes for files that carry none; default: labels/<data set>_val_labels.npy beside their runs",
    )
    order = converting.add_mutually_exclusive_group()
    order.add_argument(
        "--sort", dest="order", action="store_const", const="sort", help="put checkpoints in the order of t"
    )
    order.add_argument(
        "--keep-order", dest="order", action="store_const", const="keep", help="their order is meant, whatever t is"
    )
    converting.add_argument("--redo", action="store_true", help="write again what is there already")
    fetching = actions.add_parser("fetch", help="download published trajectories and store them as prediction files")
    fetching.add_argument("name", nargs="?", metavar="NAME", help="which; without it, what there is is listed")
    fetching.add_argument(
        "--to",
        type=Path,
        default=ROOT / "predictions",
        metavar="FOLDER",
        help="where runs are stored; default: %(default)s",
    )
    fetching.add_argument(
        "--labels",
        type=Path,
        metavar="FILE.npy",
        help="true classes of the samples; default: those "
        "of the data set where it was downloaded for training, else it is downloaded",
    )
    fetching.add_argument("--keep", action="store_true", help="leave what is downloaded in FOLDER/downloads/")
    return parser


def _fetch(name, folder, labels, keep):
    """Fetch what is hosted under a name, or list what there is; return the exit code."""
    from info_geometry.published import fetch, hosted  # only this action needs what downloads

    if name is None:
        print(hosted.listing(folder))
    else:
        fetch.fetch(name, folder, labels=labels, keep=keep)
    return 0


def _check(files):
    """Examine files, and those in folders, each and together; return the exit code."""
    found, sound = [], []
    for path in files:
        inside = sorted([*path.glob("preds_*.h5"), *path.glob("*/preds_*.h5")]) if path.is_dir() else []
        found += inside or [path]

    def examine(path):
        if path.is_dir():
            raise InputError(f"{path} holds no preds_<seed>.h5, and no folder in it does")
        x = checking.examine(path)
        sound.append(x)
        odd = doctor.of_file(x)
        return "\n".join([x.report, *(f"    note: {text}" for text in odd)])

    code, runs = _each(found, examine, "sound"), {}
    for x in sound:
        runs.setdefault(x.trajectory.path.absolute().parent, []).append(x)
    notes = doctor.of_all(sound)
    for seeds in runs.values():
        notes += doctor.of_run(seeds)
    for text in notes:
        print(f"note: {text}")
    return code


def _convert(files, folder, quantity, *, labels_file, compression, redo, order):
    """Turn files into others in `folder`; return the exit code."""
    labels = None if labels_file is None else predictions.read_labels(labels_file)
    if labels_file is not None and labels is None:
        raise InputError(f"{labels_file}: no such file")
    taken = {}  # <run>/<file> -> the source that is turned into it

    def converted(path):
        other = taken.setdefault(path.absolute().parts[-2:], path)
        if other != path:
            raise InputError(f"{path} would have the same name in {folder} as {other}; convert it elsewhere")
        return conversion.convert(
            path, folder, quantity, labels=labels, compression=compression, redo=redo, order=order
        )

    return _each(files, converted, "converted")


def _each(files: list[Path], work: Callable[[Path], str], done: str) -> int:
    """Print what work(file) returns, or what is wrong with that file, for each; return the exit code."""
    failed = 0
    for path in files:
        try:
            print(work(path), flush=True)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    print(f"{len(files) - failed} {done}, {failed} not")
    return 1 if failed else 0


if __name__ == "__main__":
    command(main)
