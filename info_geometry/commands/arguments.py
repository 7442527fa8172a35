"""The arguments that inpca.py and trajectory.py share."""

import argparse
from pathlib import Path

from info_geometry.files import ROOT
from info_geometry.storage import runs
from info_geometry.storage.trajectories import Trajectory


def options(description: str) -> argparse.ArgumentParser:
    """Return the parser of the arguments that inpca.py and trajectory.py share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folders of --predictions, or patterns ('digits_*'); default: all runs of a data set",
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


def find(arguments: argparse.Namespace) -> tuple[list[Trajectory], str]:
    """Return the trajectories of the runs that these arguments ask for, and the name of the picture."""
    return runs.find(arguments.predictions, arguments.runs, name=arguments.name, seeds=arguments.seeds)
