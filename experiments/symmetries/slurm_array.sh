#!/bin/sh
#SBATCH --array=0-2 --ntasks=1 --gpus-per-task=1 --cpus-per-task=8 --time=12:00:00 --requeue --signal=USR1@120
# The runs of runs.yaml, an array element for each pair of seeds: 10 and 11, 12 and 13, 14 and 15.
#     sbatch experiments/symmetries/slurm_array.sh [--set epochs=20 ...]
# A pair needs no other. SIGUSR1 comes 120 s before the time is up: all processes save themselves, the element is
# requeued, and goes on. When all are done: lines between networks and `python -m experiments.symmetries.measure`, as
# `make symmetries` has them.
FIRST=$((10 + 2 * SLURM_ARRAY_TASK_ID))
code=0
srun python -m learning.sweep experiments/symmetries/runs.yaml --jobs 4 --among "$FIRST" $((FIRST + 1)) \
    --checkpoints-folder checkpoints/symmetries --predictions predictions/symmetries "$@" || code=$?
[ "$code" -ne 75 ] || exec scontrol requeue "$SLURM_JOB_ID"
exit "$code"
