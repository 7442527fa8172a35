"""Stage 2 of meta-learning: imprint the checkpoints of prototypical networks and store their predictions.

    python -m experiments.meta_learning.02_imprinting.store_predictions CONFIG --task T [T ...] --seed S [S ...]
        [--ways N]

turns checkpoints/<dataset>_<T>_<N>way/seed_<seed>/ into predictions/<the same>/preds_<seed>.h5, as
supervised_imagenet/02_imprinting does; its time `t` counts episodes.  A run of digits takes 5 seconds and one of
fashion_5way 25 seconds on one CPU core.
"""

from pathlib import Path

from experiments.meta_learning import prototypical
from info_geometry.files import command
from learning.config import arguments


def main():
    options = arguments(__doc__, Path(__file__).parent.parent / "01_training" / "configs", prototypical.MetaConfig)
    from learning import stage  # torch takes seconds to import: only after mistakes are answered

    return stage.store_all(
        options,
        "experiments.meta_learning.01_training.train_prototypical",
        name=lambda task, _: prototypical.run_name(task, options.config),
    )


if __name__ == "__main__":
    command(main)
