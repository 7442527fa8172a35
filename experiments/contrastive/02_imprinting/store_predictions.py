"""Stage 2 of contrastive learning: imprint the checkpoints of networks and store their predictions.

    python -m experiments.contrastive.02_imprinting.store_predictions CONFIG --task T [T ...] --seed S [S ...]

turns checkpoints/<dataset>_<task>_<simclr|barlow>/seed_<seed>/ into predictions/<the same>/preds_<seed>.h5, as
supervised_imagenet/02_imprinting does.  A run of digits takes 1 second on one CPU core, one of fashion 15.
"""

from pathlib import Path

from experiments.contrastive import objectives
from info_geometry.files import command
from learning.config import arguments


def main():
    options = arguments(__doc__, Path(__file__).parent.parent / "01_training" / "configs", objectives.ContrastiveConfig)
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.store_all(
        options,
        "experiments.contrastive.01_training.train_contrastive",
        name=lambda task, _: objectives.run_name(task, options.config),
    )


if __name__ == "__main__":
    command(main)
