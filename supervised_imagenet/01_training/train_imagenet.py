"""Stage 1: train networks on tasks of a data set, and keep their weights on a schedule of checkpoints.

    python -m supervised_imagenet.01_training.train_imagenet CONFIG --task T [T ...] --seed S [S ...] [--key value ...]
    torchrun --nproc-per-node 4 -m supervised_imagenet.01_training.train_imagenet imagenet_rn50 --task vert --seed 0

CONFIG is a YAML file or the name of one in configs/; any of its keys can be overridden.  Output of a run:
checkpoints/<dataset>_<task>[_<variant>]/seed_<seed>/ with run.json, log.jsonl, ckpt/<epoch>_<batch>.pth and last.pth.

The same command again skips what is complete and goes on where a run was interrupted, to bit-identical weights (on
CPU, with the same number of threads).  SIGTERM and SIGUSR1 finish the step, save and exit with code 75, on which a
scheduler can requeue.  Everything random in a run comes from its seed: initial weights, order, augmentation.

A run of digits takes about 3 seconds and one of fashion 30 on one CPU core.
"""

from info_geometry.files import command
from learning import arguments


def main(argv=None):
    options = arguments.training(__doc__, __file__, argv)
    from learning import stage, supervise  # torch takes seconds to import: only after mistakes are answered

    return stage.train_all(supervise, options)


if __name__ == "__main__":
    command(main)
