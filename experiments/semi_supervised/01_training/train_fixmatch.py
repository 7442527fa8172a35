"""Stage 1 of semi-supervised learning: train networks on tasks with the labels of few images, by FixMatch.

    python -m experiments.semi_supervised.01_training.train_fixmatch CONFIG --task T [T ...] --seed S [S ...]
        [--labelled N] [--key value ...]

takes the labels of N images, chosen by the seed, and all images of the classes of T.  Output of a run:
checkpoints/<dataset>_<T>_fixmatch/seed_<seed>/, as that of any other.

Everything else is as in supervised_imagenet/01_training (skipping, going on, signals), but for torchrun: one process
trains a run.
A run of digits takes 12 seconds and one of fashion 105 on one CPU core.
"""

from pathlib import Path

from experiments.semi_supervised import fixmatch
from info_geometry.files import command
from learning.config import training_arguments


def main():
    options = training_arguments(__doc__, Path(__file__).parent / "configs", fixmatch.FixMatchConfig)
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.train_all(options, fixmatch.train, fixmatch.describe, alone=True)


if __name__ == "__main__":
    command(main)
