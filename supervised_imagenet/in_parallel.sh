#!/bin/sh
# Run a stage on all runs of a data set, in JOBS processes of one thread each (JOBS=1: one process, all threads).
#     CONFIG=digits TASKS="all even" SEEDS="0 1 2" JOBS=2 sh supervised_imagenet/in_parallel.sh MODULE [--key value ...]
# On machines with GPUs, where one process uses the whole machine, set NPROC to train each run with torchrun instead.
set -e
module=$1
shift
cd "$(dirname "$0")/.."
: "${CONFIG:?set CONFIG to the name of a configuration, such as digits}"
: "${PYTHON:=python}" "${TASKS:=all}" "${SEEDS:=0}" "${JOBS:=1}" "${NPROC:=}"
if [ -n "$NPROC" ]; then
    # shellcheck disable=SC2086  # TASKS and SEEDS are lists
    exec "$PYTHON" -m torch.distributed.run --nproc-per-node "$NPROC" -m "$module" "$CONFIG" \
        --task $TASKS --seed $SEEDS "$@"
fi
if [ "$JOBS" -gt 1 ]; then
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
fi
pids=""
trap 'kill $pids $! 2>/dev/null || true; wait; exit 130' INT TERM  # $!: the last one may not be in the list yet
part=0
while [ "$part" -lt "$JOBS" ]; do
    # shellcheck disable=SC2086
    "$PYTHON" -m "$module" "$CONFIG" --task $TASKS --seed $SEEDS --part "$part/$JOBS" "$@" &
    pids="$pids $!"
    part=$((part + 1))
done
failed=0
for pid in $pids; do
    wait "$pid" || failed=$?
done
exit "$failed"
