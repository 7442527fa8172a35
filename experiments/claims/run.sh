#!/bin/sh
# Train and imprint what the claims are measured on; what is there is skipped, what was interrupted goes on.
#     SEEDS="5 6 7 8 9" JOBS=2 PYTHON=.venv/bin/python sh experiments/claims/run.sh [--key value ...]     keys of every configuration
set -e
cd "$(dirname "$0")/../.."
: "${SEEDS:=5 6 7 8 9}" "${PYTHON:=python}" "${JOBS:=1}" "${FOLDER:=claims}" "${STARTS:=0 10 20 30 39}"
export SEEDS PYTHON JOBS
part=0
parts=6
for start in $STARTS; do
    parts=$((parts + 1))
done
both() {  # what it is called, method, script of stage 1, then what both stages are told
    part=$((part + 1))
    echo "claims: part $part of $parts, $1"
    method=$2
    script=$3
    shift 3
    set -- --wait --checkpoints-folder "checkpoints/$FOLDER" --predictions "predictions/$FOLDER" "$@"
    sh supervised_imagenet/in_parallel.sh "$method.01_training.$script" "$@"
    sh supervised_imagenet/in_parallel.sh "$method.02_imprinting.store_predictions" "$@"
}
export CONFIG=fashion
TASKS="all clothing garment footwear shirt shoe 3rd randomlab" both "supervised learning" \
    supervised_imagenet train_imagenet "$@"
for start in $STARTS; do
    TASKS="clothing footwear" both "fine-tuning from checkpoint $start" experiments.fine_tuning train_fine_tuned \
        --start all --checkpoint "$start" "$@"
done
export TASKS=all
CONFIG=fashion_2way both "2-way episodes" experiments.meta_learning train_prototypical --epochs 5000 "$@"  # as many images as 5-way
CONFIG=fashion_5way both "5-way episodes" experiments.meta_learning train_prototypical "$@"
CONFIG=fashion_simclr both SimCLR experiments.contrastive train_contrastive "$@"
CONFIG=fashion_barlow both "Barlow Twins" experiments.contrastive train_contrastive "$@"
CONFIG=fashion both FixMatch experiments.semi_supervised train_fixmatch "$@"
