"""How much decay the head of a task needs: repeatability of distances, by decay.  Prints a table.

    python -m experiments.task_distances.03_embedding.compare_decays PROBE --suite SUITE [--seed S] [--decays D ...]
        [--subsets K K] [--samples N] [--images N]

PROBE and SUITE as in embed_tasks.  For each decay: Spearman correlation of the distances (scaled cosine) of all pairs
of tasks by one subset of images and by another, 2 and 3 unless others are said, which are not those that claims are
decided on; the same with Jaccard distances of classes, of tasks as they are; and mean cross entropies of heads, of
the images that they were fitted to and of others, in nats.  Six decays of 21 tasks of Fashion-MNIST take 3 minutes on
one CPU core.
"""

from experiments.task_distances.vectors import suites
from experiments.task_distances.vectors.choices import Choices
from info_geometry.files import InputError, command
from learning import arguments

DECAYS = 1.0, 0.1, 0.03, 0.01, 0.003, 0.001


def add_arguments(parser):
    parser.add_argument("--suite", required=True, metavar="SUITE", help="a name, or a YAML file")
    parser.add_argument("--decays", nargs="+", type=float, default=DECAYS, metavar="D", help="default: %(default)s")
    parser.add_argument("--subsets", nargs=2, type=int, default=[2, 3], metavar="K", help="default: 2 3")
    parser.add_argument("--images", type=int, default=Choices.images, metavar="N", help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=Choices.samples, metavar="N", help="default: %(default)s")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    (dataset, words), decays = suites.read(own.pop("suite")), own.pop("decays")
    subsets = own.pop("subsets")
    if subsets[0] == subsets[1]:
        raise InputError(f"--subsets {subsets[0]} {subsets[1]} are the same; give two")
    if len(options.runs) > 1:
        raise InputError(f"there are {len(options.runs)} probes; give one")
    each = [[Choices(subset=subset, decay=decay, **own) for subset in subsets] for decay in decays]
    from experiments.task_distances.vectors import storing  # torch takes seconds: after mistakes are answered

    print("\n".join(storing.compare(options, dataset, words, each)), flush=True)


if __name__ == "__main__":
    command(main)
