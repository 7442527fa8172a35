"""Stage 2 of subspaces: take networks from trained runs, recalibrate their norm layers, and store what they predict.

    python -m experiments.subspaces.02_sampling.sample_subspace RUN [RUN ...] [--seed S ...] [--imprint]

turns checkpoints/RUN/seed_<seed>/ into predictions/RUN_head/preds_<seed>.h5: of a line or curve the networks at the
--positions (t = alpha) of the last checkpoint, of a simplex (t = number) its vertices, barycentre, a grid of points and
six random ones, whose coefficients are an attribute; of a single network (kind point) all checkpoints (t = epoch).

    --checkpoint N ...          other checkpoints, numbers from 0: RUN_at_N_head, which together are a surface
    --middle                    the middle of a subspace over all checkpoints (t = epoch): RUN_middle_head
    --average swa | swag        of the checkpoints that the rate of a single network says: RUN_swa_head
    --average soup | between    of the last networks of all seeds: their greedy soup, or the line to the next seed
    --images training | validation      predict some images of training, or those held out; --samples N of them
    --corruption KIND --severity N      predict evaluation images with noise, less contrast, blurred; of ImageNet, the
                                        folder KIND/N of ImageNet-C in --corrupted
    --as-trained                do not recalibrate, to see what happens: RUN_as_trained_head
    --imprint                   imprinted predictions over all classes, as RUN, which join the picture of tasks

Probabilities of heads are 0 at classes that are not of the task.  The same command again skips what is there.
Eleven networks of fashion take about 3 seconds on one CPU core.
"""

from pathlib import Path

from experiments.subspaces.choices import AVERAGES, SETS, Choices
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    usual = Choices()
    parser.add_argument("--positions", type=float, nargs="+", default=usual.positions, metavar="A", help="0 to 1")
    parser.add_argument(
        "--steps", type=int, default=usual.steps, metavar="K", help="along an edge; default: %(default)s"
    )
    parser.add_argument("--checkpoint", nargs="+", default=(), metavar="N", help="numbers from 0, or last")
    parser.add_argument("--middle", action="store_true", help="over all checkpoints")
    parser.add_argument("--average", choices=AVERAGES, default="", help="of the weights of single networks")
    parser.add_argument("--draws", type=int, default=usual.draws, metavar="K", help="of swag; default: %(default)s")
    parser.add_argument("--images", choices=SETS, default=usual.images, help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=0, metavar="N", help="of these images, of each class as many")
    parser.add_argument("--corruption", default="", metavar="KIND", help="noise, blur, contrast; or one of ImageNet-C")
    parser.add_argument("--severity", type=int, nargs="+", default=[0], metavar="N", help="1 to 5")
    parser.add_argument("--corrupted", type=Path, metavar="FOLDER", help="ImageNet-C; default: imagenet-c in --data")
    parser.add_argument("--as-trained", action="store_true", help="do not recalibrate norm layers")
    parser.add_argument("--imprint", action="store_true", help="imprint over all classes")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    corrupted, severities = own.pop("corrupted"), own.pop("severity")
    own["checkpoints"] = tuple(own.pop("checkpoint"))
    own["positions"] = tuple(own["positions"])
    choices = [Choices(**own, severity=severity) for severity in severities]
    from experiments.subspaces import sampling  # torch takes seconds: after mistakes are answered

    return sampling.sample_all(options, choices, corrupted or options.folders.data / "imagenet-c")


if __name__ == "__main__":
    command(main)
