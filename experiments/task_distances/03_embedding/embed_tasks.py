"""Stage 3 of distances between tasks: tasks as vectors, by a probe.

    python -m experiments.task_distances.03_embedding.embed_tasks PROBE [PROBE ...] --suite SUITE [--seed S ...]
        [--method M] [--samples N] [--images N] [--subset K] [--decay D] [--untrained]
    python -m experiments.task_distances.03_embedding.embed_tasks fashion_all_plain_probe --tasks all footwear all:blur7

PROBE is a run of any stage that learned to classify, with all seeds that are there unless --seed says others; SUITE
one of suites/, or a YAML file of yours with `dataset` and `tasks`.  Output, a file for each task:
predictions/<PROBE>_vectors/seed_<seed>/<method and what is not usual>/<task>_<condition>.npz
(of a task from a file of classes <task>-<digest of these>_<condition>.npz)

    --method        exact (default), sampled, predictions or variational (embedding.py); or domain: the mean of
                    features, and how well a head does on images that it was not fitted to
    --images        that the head is fitted to, of training but not learned by the probe; default: 1200
    --samples       of these, in the Fisher information; default: 600
    --subset        0 (default), 1, ...: each has other images
    --untrained     by the initial weights of the probe

The same command again skips what is there.  21 tasks of Fashion-MNIST take 14 seconds on one CPU core, by predictions
of 100 samples with 5 draws 25, by variational ones 15 to 60 a task.  Images of your own need no run: see README.md.
"""

from experiments.task_distances.vectors import suites
from experiments.task_distances.vectors.choices import METHODS, Choices
from info_geometry.files import InputError, command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--suite", metavar="SUITE", help="a name, or a YAML file")
    parser.add_argument("--tasks", nargs="+", metavar="T:C", help="words, instead of a suite")
    parser.add_argument("--method", choices=METHODS, default=Choices.method, help="default: %(default)s")
    parser.add_argument("--images", type=int, default=Choices.images, metavar="N", help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=Choices.samples, metavar="N", help="default: %(default)s")
    parser.add_argument("--subset", type=int, default=Choices.subset, metavar="K", help="default: %(default)s")
    parser.add_argument("--decay", type=float, default=Choices.decay, metavar="D", help="default: %(default)s")
    parser.add_argument("--untrained", action="store_true", help="by the initial weights of the probe")
    parser.add_argument("--draws", type=int, metavar="K", help="of labels, or of noise on a filter")
    parser.add_argument("--beta", type=float, help="of --method variational; default: 1e-6")
    parser.add_argument("--steps", type=int, help="of --method variational; default: 3000")
    parser.add_argument("--rate", type=float, help="of its steps; default: 0.05")
    parser.add_argument("--batch", type=int, help="of its inputs; default: 100")
    parser.add_argument("--start", type=float, help="of its variances, of mean squares of weights")
    parser.add_argument("--tolerance", type=float, help="by which it has converged; inf: whether or not; default: 0.05")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    suite, words = own.pop("suite"), own.pop("tasks")
    if (suite is None) == (words is None):
        raise InputError("say which tasks: --suite NAME, or --tasks T:C [T:C ...]")
    choices = Choices(**own)
    found = suites.read(suite) if suite else (None, tuple(words))
    from experiments.task_distances.vectors import storing  # torch takes seconds: after mistakes are answered

    return storing.embed_all(options, found, choices)


if __name__ == "__main__":
    command(main)
