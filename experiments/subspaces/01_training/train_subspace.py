"""Stage 1 of subspaces: train a line, a curve, a simplex, or a single network, on tasks of a data set.

    python -m experiments.subspaces.01_training.train_subspace CONFIG --task T [T ...] --seed S [S ...] [--key X ...]

CONFIG is one of configs/, such as fashion_line, or a YAML file of yours.  Output of a run:
checkpoints/<dataset>_<T>_<kind>[_<variant>]/seed_<seed>/, as that of any other; its checkpoints hold all vertices, and
its log says cos^2 and L2 of vertices and d_B of the ends.  Stage 2 takes networks from them.

Everything else is as in supervised_imagenet/01_training: skipping, going on, signals, torchrun.
"""

from experiments.subspaces.config import SubspaceConfig
from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv, SubspaceConfig)
    from experiments.subspaces import training  # torch takes seconds: after mistakes are answered
    from learning import stage

    return stage.train_all(training, options)


if __name__ == "__main__":
    command(main)
