"""Stage 2 of choosing a network to start from: store what a run came to, and how its start was scored before.

    python -m experiments.task_distances.02_predicting.store_scores RUN [RUN ...] [--seed S ...] --probe RUN

turns checkpoints/RUN/seed_<seed>/, of runs of train_task that learned one task, into
predictions/RUN_scores/preds_<seed>.h5: predictions, imprinted (cosine, scale 10), of 2,000 evaluation images at each
checkpoint, and among its attributes

    known     accuracy of the last network, its own head, on all evaluation images of the task, and on those it learned
    scored    of a run with a start: the scores of the source on the images that the run learned from
              (choosing/scores.py), also with permuted labels

    --probe RUN         whose filters Task2Vec is of, of the same seed; default: <data set>_all_plain

Vectors are kept below predictions/<probe>_vectors/.  The same command again skips what is there.
"""

from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--probe", default="", metavar="RUN", help="default: <data set>_all_plain")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    from experiments.task_distances.choosing import scoring  # torch takes seconds: after mistakes are answered

    return scoring.score_all(options, own["probe"])


if __name__ == "__main__":
    command(main)
