"""Stage 1 of semi-supervised learning: train networks on tasks with the labels of few images, by FixMatch.

    python -m experiments.semi_supervised.01_training.train_fixmatch CONFIG --task T [T ...] --seed S [S ...]
        [--labelled N] [--key value ...]

takes the labels of N images, chosen by the seed, and all images of the classes of T.  Output of a run:
checkpoints/<dataset>_<T>_fixmatch/seed_<seed>/, as that of any other.

Everything else is as in supervised_imagenet/01_training (skipping, going on, signals), but for torchrun: one process
trains a run.
A run of digits takes 12 seconds and one of fashion 105 on one CPU core.
"""

from experiments.semi_supervised.config import FixMatchConfig
from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, FixMatchConfig)
    from experiments.semi_supervised import fixmatch  # torch takes seconds to import: only after mistakes are answered
    from learning import stage

    return stage.train_all(fixmatch, options, alone=True)


if __name__ == "__main__":
    command(main)
