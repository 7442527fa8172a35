"""Stage 1 of contrastive learning: train networks on the images of a task, without their labels.

    python -m experiments.contrastive.01_training.train_contrastive CONFIG --task T [T ...] --seed S [S ...]
        [--key value ...]

CONFIG is <dataset>_simclr or <dataset>_barlow for the data sets digits, fashion and cifar10, or a YAML file of yours.
Output of a run: checkpoints/<dataset>_<task>_<simclr|barlow>/seed_<seed>/, as that of any other, of networks without a
head.  In its log, `accuracy` is the share of views whose nearest one in the batch is of the same image.

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals; but one process trains a run.
A run of digits takes about 12 seconds and one of fashion 100 on one CPU core.
"""

from experiments.contrastive.config import ContrastiveConfig
from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, ContrastiveConfig)
    from experiments.contrastive import objectives  # torch takes seconds to import: only after mistakes are answered
    from learning import stage

    return stage.train_all(objectives, options, alone=True)


if __name__ == "__main__":
    command(main)
