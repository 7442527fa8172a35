"""Stage 2: imprint the checkpoints of trained networks and store their predictions.

    python -m supervised_imagenet.02_imprinting.store_predictions CONFIG --task T [T ...] --seed S [S ...]

turns checkpoints/<dataset>_<task>/seed_<seed>/ into predictions/<dataset>_<task>/preds_<seed>.h5: the probabilities
over all classes of the data set, for all its evaluation samples in their fixed order, of every checkpoint of the
schedule.  One forward pass a checkpoint gives features, prototypes and probabilities.

The network, and how it is evaluated, is what run.json in the folder of the run says; of CONFIG only the data set
matters here.  The same command again skips what is complete.  A run of digits takes 1 second and one of
fashion 15 on one CPU core.
"""

from pathlib import Path

from info_geometry.files import command
from learning.config import arguments


def main():
    options = arguments(__doc__, Path(__file__).parent.parent / "01_training" / "configs")
    from learning import stage  # torch and its like take seconds to import: only after mistakes are answered

    return stage.store_all(options, "supervised_imagenet.01_training.train_imagenet")


if __name__ == "__main__":
    command(main)
