"""Stage 2 of fine-tuning: imprint the checkpoints of fine-tuned networks and store their predictions.

    python -m experiments.fine_tuning.02_imprinting.store_predictions CONFIG --start A --task B [B ...] --seed S [S ...]
        [--checkpoint N]

turns checkpoints/<dataset>_<B>_from_<A>[_at_<N>]/seed_<seed>/ into predictions/<the same>/preds_<seed>.h5, as
supervised_imagenet/02_imprinting does.  A run of digits takes 1 second on one CPU core.
"""

from pathlib import Path

from experiments.fine_tuning import continuation
from info_geometry.files import command
from learning.config import arguments


def main():
    options = arguments(
        __doc__, Path(__file__).parent.parent / "01_training" / "configs", add=continuation.add_arguments
    )
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.store_all(
        options,
        "experiments.fine_tuning.01_training.train_fine_tuned",
        *continuation.words(options),
        name=lambda task, images: continuation.run_name(task, images, options),
    )


if __name__ == "__main__":
    command(main)
