"""Stage 2 of the manifold: store what networks predict, of runs whose weights were kept (--keep weights).

    python -m experiments.manifold.02_predicting.store_both RUN [RUN ...] [--seed S ...]

turns checkpoints/RUN/seed_<seed>/ into predictions/RUN/preds_<seed>.h5, the file that stage 1 writes where it keeps
predictions alone.  What is there is skipped.
"""

from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options, _ = arguments.of_runs(__doc__, argv, lambda parser: None)
    from experiments.manifold import storing  # torch takes seconds: after mistakes are answered

    return storing.store_all(options)


if __name__ == "__main__":
    command(main)
