"""Which network to start from, for a task of your own of which a few images have labels.                     [command]

    python -m experiments.task_distances.choose --target FOLDER --sources RUN RUN [RUN ...]
    python -m experiments.task_distances.choose --target 2,4:flip --dataset fashion --sources 'fashion_*_plain'

FOLDER holds one folder of images a class; they are brought to the size and channels that the sources see.  A source is
any run here that has a head and whose images have one shape, also of another data set; a pattern leaves out what is no
source, and says so.  Prints a table of scores
(choosing/scores.py), each with the rank of the source by it, 1 the best, and says which source to start from.

    --dataset D     the target is a task TASK:CONDITION of a data set; images are of its evaluation split
    --labels K      images of each class; default: 20
    --seed S        of the runs; default: 0
    --probe RUN     whose filters Task2Vec is of; default: the first source of those that learned the most classes
    --csv FILE      writes the table too

Nothing is trained.  Sixteen small networks take 15 seconds on one CPU core.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from info_geometry.files import InputError, command, write_text
from learning import arguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, by default those it was given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, metavar="T", help="a folder of images, or with --dataset a task")
    parser.add_argument("--sources", required=True, nargs="+", metavar="RUN", help="names of runs, or patterns")
    parser.add_argument("--dataset", metavar="D", help="of which the target is a task")
    parser.add_argument("--labels", type=int, default=20, metavar="K", help="images a class; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the runs; default: %(default)s")
    parser.add_argument("--probe", metavar="RUN", help="whose filters Task2Vec is of")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="where to write the table besides")
    arguments.add_folders(parser)
    given = parser.parse_args(argv)
    if given.dataset is None and not Path(given.target).is_dir():
        raise InputError(f"--target {given.target}: no such folder; a task of a data set needs --dataset")
    from experiments.task_distances.choosing import ranking, scoring  # torch takes seconds: after mistakes are answered

    names, values, about = scoring.for_target(
        given.target,
        given.dataset,
        given.sources,
        labels=given.labels,
        seed=given.seed,
        probe=given.probe,
        folders=arguments.folders_of(given),
    )
    print(f"{about}\n\n{ranking.table(names, values)}\n\n{ranking.said(names, values)}")
    if given.csv:
        write_text(given.csv, ranking.as_csv(names, values))
        print(f"wrote {given.csv}")


if __name__ == "__main__":
    command(main)
