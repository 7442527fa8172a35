"""Stage 1 of critical periods: train networks of which the images, or labels, have a deficit for some epochs.

    python -m experiments.critical_periods.01_training.train_periods CONFIG --task T [T ...] --seed S [S ...]
        [--deficit KIND --onset A --end B] [--key X ...]

CONFIG is one of configs/, such as fashion_periods, or a YAML file of yours.  Output of a run:
checkpoints/<dataset>_<T>_<deficit>_<onset>to<end>[_window][_<variant>]/seed_<seed>/, or ..._clean[...]/ without a
deficit, as that of any other.  Its checkpoints hold ordinary networks, also of where the deficit begins and ends.

    --deficit       blur (with --factor F), flip, permuted_labels, random_labels, noise or constant
    --protocol      removal: as many clean epochs follow; window: as many epochs in all

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
"""

from experiments.critical_periods.config import PeriodsConfig
from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, PeriodsConfig)
    from experiments.critical_periods import training  # torch takes seconds: after mistakes are answered
    from learning import stage

    return stage.train_all(training, options)


if __name__ == "__main__":
    command(main)
