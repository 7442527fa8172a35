#!/bin/sh
# Train every task with every seed; what is complete is skipped.
#     CONFIG=fashion TASKS="all footwear n03419014" SEEDS="0 1 2" JOBS=2 sh train_imagenet.sh [--key value ...]
# On a GPU box: CONFIG=imagenet_rn50 TASKS="all vert" SEEDS="0 1" NPROC=4 sh train_imagenet.sh --data /data --workers 12
exec sh "$(dirname "$0")/../in_parallel.sh" supervised_imagenet.01_training.train_imagenet "$@"
