"""The arguments that inpca.py and trajectory.py share."""

import argparse
from pathlib import Path

import numpy as np

from info_geometry.files import ROOT, InputError, log, unwritable
from info_geometry.storage import embeddings, runs
from info_geometry.storage.trajectories import Trajectory
from info_geometry.uncertainty import resampling


def options(description: str) -> argparse.ArgumentParser:
    """Return the parser of the arguments that inpca.py and trajectory.py share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folders of --predictions, or patterns ('digits_*'); default: all, or those of the data set --name",
    )
    parser.add_argument("--name", help="name of the picture; without RUN also the data set whose runs are taken")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="S", help="take these seeds only")
    parser.add_argument("--predictions", type=Path, default=ROOT / "predictions", help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=ROOT / "plots", help="default: %(default)s")
    parser.add_argument(
        "--bootstrap",
        action="store_true",
        help="also give errors from drawing the samples anew, 1,000 times; default: from seeds only",
    )
    parser.add_argument("--redo", action="store_true", help="compute and draw again what is there already")
    return parser


def groups(trajectories: list[Trajectory], bootstrap: bool) -> np.ndarray | None:
    """Return the groups of samples that --bootstrap draws anew, or None without it.

    Raises InputError for one sample, which cannot be drawn anew.
    """
    if bootstrap and trajectories[0].shape[1] < 2:
        raise InputError("--bootstrap draws samples anew, and there is only one: leave it out")
    return resampling.groups(trajectories[0].shape[1]) if bootstrap else None


def check_plots(plots: Path, name: str) -> None:
    """Raise InputError, before anything is computed, where no figure of the picture can be written."""
    if reason := unwritable(plots / name / "figure"):
        raise InputError(f"{reason}; say --plots FOLDER, where figures can be written")


def embedding_path(asked: Path | None, predictions: Path, plots: Path, name: str, *, quiet: bool = False) -> Path:
    """Return where the embedding of a picture is stored, which is tried before anything is computed.

    asked: what --embedding says.  Where nothing can be written where embeddings usually lie, it goes beside the
    figures, with a warning; `quiet`: without.
    Raises InputError where it cannot be written at all.
    """
    if asked:
        asked = asked if asked.suffix == ".npz" else Path(f"{asked}.npz")
        if reason := unwritable(asked):
            raise InputError(f"--embedding: {reason}")
        return asked
    usual, instead = embeddings.places(predictions, plots, name)
    if (reason := unwritable(usual)) is None:
        return usual
    if not quiet:
        log.warning("warning: %s; the embedding goes to %s, or where --embedding FILE.npz says", reason, instead)
    return instead


def find(arguments: argparse.Namespace) -> tuple[list[Trajectory], str]:
    """Return the trajectories of the runs that these arguments ask for, and the name of the picture.

    Raises InputError where they do not belong together, or figures of them cannot be written.
    """
    found = runs.find(arguments.predictions, arguments.runs, name=arguments.name, seeds=arguments.seeds)
    check_plots(arguments.plots, found[1])
    return found
