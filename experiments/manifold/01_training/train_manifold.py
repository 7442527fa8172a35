"""Stage 1 of the manifold: train networks of any kind on one task, and store what they predict at each checkpoint.

    python -m experiments.manifold.01_training.train_manifold CONFIG --seed S [S ...] [--variant NAME] [--key value ...]
    python -m learning.sweep experiments/manifold/runs.yaml --jobs 2

CONFIG is one of configs/, such as fashion_manifold, or a YAML file of yours.  Output of a run:
predictions/<dataset>_<T>[_<variant>]/preds_<seed>.h5, predictions of its own head for fixed training images and then
fixed evaluation images, without augmentation (attribute `parts`: how many of each), and
checkpoints/<dataset>_<T>[_<variant>]/seed_<seed>/ with run.json, log.jsonl and last.pth, the weights at the end.

    --keep weights      weights of all checkpoints as well; 02_predicting/store_both.py predicts with them
    --start RUN         from the last weights of another run of the same seed
    --label_noise 0.5   that share of labels drawn at random; --label_seed 1: another draw

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
"""

import dataclasses

from experiments.manifold.config import ManifoldConfig
from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, ManifoldConfig)
    if options.config.keep == "predictions":
        options = dataclasses.replace(options, as_you_go=True)
    from experiments.manifold import training  # torch takes seconds: after mistakes are answered
    from learning import stage

    return stage.train_all(training, options)


if __name__ == "__main__":
    command(main)
