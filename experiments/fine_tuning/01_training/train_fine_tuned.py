"""Stage 1 of fine-tuning: go on with a task B from a checkpoint of a network that was trained on a task A.

    python -m experiments.fine_tuning.01_training.train_fine_tuned CONFIG --start A --task B [B ...] --seed S [S ...]
        [--checkpoint N] [--key value ...]

starts from checkpoint N (0 is the initial weights; by default the last one) of the run <dataset>_<A> of the same seed,
made by supervised_imagenet/01_training, with a new head for the classes of B.  Output of a run:
checkpoints/<dataset>_<B>_from_<A>[_at_<N>]/seed_<seed>/, as that of any other.  Its first checkpoint is the network it
starts from, so that the trajectory is the path from A's model on.

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
A run of digits takes 2 seconds on one CPU core.
"""

import functools
from pathlib import Path

from experiments.fine_tuning import continuation
from info_geometry.files import command
from learning.config import training_arguments


def main():
    options = training_arguments(__doc__, Path(__file__).parent / "configs", add=continuation.add_arguments)
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.train_all(options, continuation.train, functools.partial(continuation.describe, options))


if __name__ == "__main__":
    command(main)
