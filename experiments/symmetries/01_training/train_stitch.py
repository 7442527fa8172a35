"""Stage 1 of symmetries: stitch trained networks, or have the rest of one learn again behind a fixed matrix.

    python -m experiments.symmetries.01_training.train_stitch CONFIG --task T [T ...] --seed S [S ...] [--receiver N]
        [--networks VARIANT] [--key value ...]

stitches the network of the supervised run <dataset>_<T>[_<VARIANT>] of seed S into that of seed S + N (default: 1) at
each layer after an activation, by a stitch of the kind that CONFIG says (configs/, or a YAML file of yours, and --kind,
--layers, --sender, --learns, ...).  Output of a run:
checkpoints/<dataset>_<T>[_<VARIANT>]_plus<N>_<kind>[_<variant>]/seed_<S>/, as that of any other; its checkpoints hold
the stitches, and its log says accuracies on images held out, hard and soft.  Stage 2 puts networks together.

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
"""

from experiments.symmetries.config import StitchConfig
from info_geometry.files import InputError, command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--networks", metavar="VARIANT", help="of the runs whose networks are stitched; default: none")
    parser.add_argument("--receiver", type=int, metavar="N", help="its seed less that of the sender; default: 1")


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, StitchConfig, add=add_arguments)
    if options.as_you_go:
        raise InputError("--imprint-as-you-go: stage 2 puts stitched networks together; leave it out")
    from experiments.symmetries.training import Stitching  # torch takes seconds: after mistakes are answered
    from learning import stage

    given = {key: value for key, value in options.own.items() if value is not None}
    return stage.train_all(Stitching(**given), options)


if __name__ == "__main__":
    command(main)
