"""What each way of imprinting makes of the same networks: a table.                                          [command]

    python -m learning.sweep experiments/imprinting/digits.yaml --jobs 2
    python -m experiments.imprinting.compare experiments/imprinting/digits.yaml

reads the predictions of the runs of a grid, of each way of imprinting that it lists, and prints of the task of all
classes, as means over seeds: accuracy and progress of the first and last model, Riemann length, d_B from the first to
the last model, absolute and over that from ignorance to truth; and the explained stress of 1..3 axes of all runs
together.  Digits: 20 seconds on one core, Fashion-MNIST 1 minute.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from info_geometry import distance, inpca, predictions, trajectory
from info_geometry.files import ROOT, InputError, command
from learning import arguments, grids

ALL = "all"
HEAD = (
    "imprinting",
    "accuracy",
    "progress",
    "length",
    "d_B first to last",
    "of ignorance to truth",
    "stress, 1..3 axes",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", metavar="GRID.yaml", help="which runs, and ways of imprinting")
    parser.add_argument("--predictions", type=Path, default=ROOT / "predictions", help="default: %(default)s")
    given = parser.parse_args(argv)
    (grid,) = grids.read(given.grid)
    print(" | ".join(HEAD), flush=True)
    for text in grid.imprint:
        how = arguments.imprinting(shlex.split(text))
        runs = {task: opened(given.predictions, f"{grid.config}_{task}{how.suffix}", grid.seed) for task in grid.task}
        print(" | ".join([str(how).removeprefix("imprinting, "), *row(runs)]), flush=True)


def opened(folder: Path, run: str, seeds: Sequence[str]) -> list[predictions.Trajectory]:
    """Return the trajectories of a run; raise InputError where one is missing."""
    paths = [folder / run / f"preds_{seed}.h5" for seed in seeds]
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} is missing; store it with: python -m learning.sweep GRID.yaml")
    return [predictions.open_trajectory(path) for path in paths]


def row(runs: dict[str, list[predictions.Trajectory]]) -> list[str]:
    """Return what the table says of runs {task: trajectories} that were imprinted in one way, as texts."""
    whole = runs[ALL]
    summaries = [trajectory.summarise(x, x.labels) for x in whole]
    accuracy, progress = (
        "{:.3f} to {:.3f}".format(*np.mean([getattr(s, what)[[0, -1]] for s in summaries], axis=0))
        for what in ("accuracy", "progress")
    )
    moved = np.mean([distance.cross([x.select([0])], [x.select([-1])])[0, 0] for x in whole])
    span = np.log(whole[0].shape[2]) / 2  # of ignorance to truth: -log sqrt(1 / C)
    stress = inpca.fit(distance.pairwise([x for seeds in runs.values() for x in seeds])).explained_stress()[:3]
    return [
        accuracy,
        progress,
        f"{np.mean([s.length for s in summaries]):.2f}",
        f"{moved:.3f}",
        f"{moved / span:.3f}",
        " ".join(f"{s:.3f}" for s in stress),
    ]


if __name__ == "__main__":
    command(main)
