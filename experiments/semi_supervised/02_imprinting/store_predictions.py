"""Stage 2 of semi-supervised learning: imprint the checkpoints of networks and store their predictions.

    python -m experiments.semi_supervised.02_imprinting.store_predictions CONFIG --task T [T ...] --seed S [S ...]

turns checkpoints/<dataset>_<T>_fixmatch/seed_<seed>/ into predictions/<the same>/preds_<seed>.h5, as
supervised_imagenet/02_imprinting does.  A run of digits takes 2 seconds and one of fashion 20 on one CPU core.
"""

from pathlib import Path

from experiments.semi_supervised import fixmatch
from info_geometry.files import command
from learning.config import arguments


def main():
    options = arguments(__doc__, Path(__file__).parent.parent / "01_training" / "configs", fixmatch.FixMatchConfig)
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.store_all(
        options, "experiments.semi_supervised.01_training.train_fixmatch", name=lambda task, _: fixmatch.run_name(task)
    )


if __name__ == "__main__":
    command(main)
