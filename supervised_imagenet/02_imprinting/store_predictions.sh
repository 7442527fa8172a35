#!/bin/sh
# Imprint and store every task with every seed; what is complete is skipped.
#     CONFIG=fashion TASKS="all footwear n03419014" SEEDS="0 1 2" JOBS=2 sh store_predictions.sh [--key value ...]
exec sh "$(dirname "$0")/../in_parallel.sh" supervised_imagenet.02_imprinting.store_predictions "$@"
