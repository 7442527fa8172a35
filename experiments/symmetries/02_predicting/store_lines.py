"""Stage 2 of symmetries: align networks of two seeds, and store what networks on the line between them predict.

    python -m experiments.symmetries.02_predicting.store_lines RUN [RUN ...] --seed S [S ...] [--receiver N]

turns checkpoints/RUN/seed_<S>/ and seed_<S+N>/, of each the last checkpoint, into a prediction file
predictions/RUN_line_plus<N>_by_activations_head/preds_<S>.h5 (of N below 0, RUN_line_minus<-N>_...) of networks

    theta(t) = (1 - t) theta_S + t pi(theta_S+N),  t = alpha at the --positions,

where pi puts the channels of the second network in the order of those of the first one.

    --matching none | weights       no permutation: RUN_line_plus1_head; matched by weights: ..._by_weights_head
    --correction none | repair      what is done to networks on the line, instead of recalibrating their norm layers:
                                    ..._uncorrected_head, ..._repair_head
    --training-images N             that matching and correction look at, of each class as many

Networks predict by their own heads; probabilities are 0 at classes that are not of the task.  The same command again
skips what is there.  Eleven networks between two of digits take about half a second on one CPU core.
"""

from experiments.symmetries.choices import CORRECTIONS, MATCHINGS, LineChoices
from info_geometry.files import InputError, command
from learning import arguments


def add_arguments(parser):
    usual = LineChoices()
    parser.add_argument(
        "--receiver", type=int, default=usual.receiver, metavar="N", help="seed of the second, less S; default: 1"
    )
    for key, known in (("matching", MATCHINGS), ("correction", CORRECTIONS)):
        parser.add_argument(f"--{key}", choices=known, default=getattr(usual, key), help="default: %(default)s")
    parser.add_argument("--positions", type=float, nargs="+", default=usual.positions, metavar="A", help="0 to 1")
    parser.add_argument(
        "--training-images", type=int, default=usual.training_images, metavar="N", help="default: %(default)s"
    )


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    choices = LineChoices(**{**own, "positions": tuple(own["positions"])})
    if options.seeds is None:
        raise InputError("--seed is missing: of the networks that lines begin at")
    for seed in options.seeds:
        choices.other(seed)
    from experiments.symmetries import aligning  # torch takes seconds: after mistakes are answered

    return aligning.store_lines(options, choices)


if __name__ == "__main__":
    command(main)
