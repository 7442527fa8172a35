"""Stage 1 of contrastive learning: train networks on the images of a task, without their labels.

    python -m experiments.contrastive.01_training.train_contrastive CONFIG --task T [T ...] --seed S [S ...]
        [--key value ...]

CONFIG is <dataset>_simclr or <dataset>_barlow for the data sets digits, fashion and cifar10, or a YAML file of yours.
Output of a run: checkpoints/<dataset>_<task>_<simclr|barlow>/seed_<seed>/, as that of any other, of networks without a
head.  In its log, `accuracy` is the share of views whose nearest one in the batch is of the same image.

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals; but one process trains a run.
A run of digits takes about 12 seconds and one of fashion 100 on one CPU core.
"""

from pathlib import Path

from experiments.contrastive import objectives
from info_geometry.files import command
from learning.config import training_arguments


def main():
    options = training_arguments(__doc__, Path(__file__).parent / "configs", objectives.ContrastiveConfig)
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.train_all(options, objectives.train, objectives.describe, alone=True)


if __name__ == "__main__":
    command(main)
