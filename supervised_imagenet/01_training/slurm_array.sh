#!/bin/sh
#SBATCH --array=0-29 --gpus=1 --cpus-per-task=16 --time=12:00:00 --requeue --signal=USR1@120
# 6 tasks x 5 seeds, one run an array element.  SIGUSR1 comes 120 s before the time is up: the run saves itself and
# ends with code 75, and starting it again goes on from there.
set -- all vert instr dog 3rd randomlab
shift $((SLURM_ARRAY_TASK_ID / 5))
srun python -m supervised_imagenet.01_training.train_imagenet imagenet_rn50 --data "$IMAGENET" --workers 14 \
    --task "$1" --seed $((SLURM_ARRAY_TASK_ID % 5)) || { [ $? -eq 75 ] && scontrol requeue "$SLURM_JOB_ID"; }
