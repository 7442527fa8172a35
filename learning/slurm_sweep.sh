#!/bin/sh
#SBATCH --array=0-15 --ntasks=1 --gpus-per-task=1 --cpus-per-task=8 --time=12:00:00
#SBATCH --requeue --signal=USR1@120 --open-mode=append
# A sweep by an array of SLURM: every element runs the same command on the same grid file and the same folders, and takes
# whichever run is free.  Their number has nothing to do with that of the runs, and may change while others are at it.
#     sbatch learning/slurm_sweep.sh GRID.yaml --jobs 4 --checkpoints-folder ... --predictions ...
#     sbatch --array=0-3 --export=ALL,PARTS=1 learning/slurm_sweep.sh GRID.yaml ...
# PARTS=1: element I of N takes the I-th, (I+N)-th, ... run instead, and no other's: for file systems on which a lock is
# seen by its own node alone (docs/recipes.md says how to find out).
# SIGUSR1 comes 120 s before the time is up: all processes save themselves, the code is 75, and the element is requeued
# and goes on.  What failed or diverged is no reason to requeue.
if [ -n "$PARTS" ]; then
    set -- "$@" --part "$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))/$SLURM_ARRAY_TASK_COUNT"
fi
code=0
srun python -m learning.sweep "$@" || code=$?
# by the name of the element: the last one has the job id of the whole array
[ "$code" -ne 75 ] || exec scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
exit "$code"
