"""Stage 2: store the predictions of the checkpoints of trained networks, by imprinting or by their own heads.

    python -m supervised_imagenet.02_imprinting.store_predictions RUN [RUN ...] [--seed S ...] [--head]
    python -m supervised_imagenet.02_imprinting.store_predictions CONFIG --task T [T ...] --seed S [S ...]

turns checkpoints/RUN/seed_<seed>/, whatever method trained it, into predictions/RUN/preds_<seed>.h5: the probabilities
over all classes of the data set, for all its evaluation samples in their fixed order, of every checkpoint of the
schedule.  One forward pass a checkpoint gives features, prototypes and probabilities.  RUN may be a pattern, such as
'fashion_*'; without --seed all seeds are taken.  CONFIG and tasks stand for the runs of supervised learning,
<dataset>_<T>; of CONFIG only the data set matters.

    --imprinting normalised | cosine [--scale X]     --temperature T | fitted     --prototypes training     --over TASK

imprint in other ways (docs/definitions.md), each stored as a run of its own name, such as RUN_cosine_fitted.

With --head, probabilities are those of the network's own head at the classes of its task, and 0 elsewhere, and are
stored as the run RUN_head.

The network, and how it is evaluated, is what run.json in the folder of the run says.  The same command again skips what
is complete.  A run of digits takes 1 second and one of fashion 5 on one CPU core.
"""

from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.storing(__doc__, argv, "supervised_imagenet.01_training.train_imagenet")
    from learning import stage  # torch and its like take seconds to import: only after mistakes are answered

    return stage.store_all(options)


if __name__ == "__main__":
    command(main)
