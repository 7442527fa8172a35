#!/bin/sh
#SBATCH --array=0-29 --ntasks=1 --gpus-per-task=1 --cpus-per-task=16 --time=12:00:00 --requeue --signal=USR1@120
# 6 tasks x 5 seeds of ImageNet, one run an array element; one process a GPU (--ntasks=4: four GPUs train each network).
#     IMAGENET=/data/packed sbatch supervised_imagenet/01_training/slurm_array.sh
# SIGUSR1 comes 120 s before the time is up: the run saves itself and ends with code 75, is requeued, and goes on.
# srun hands signals to the processes themselves and returns their code, which torchrun would not.
set -- all vert instr dog 3rd randomlab
shift $((SLURM_ARRAY_TASK_ID / 5))
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 40000))
export MASTER_ADDR MASTER_PORT TASK="$1" SEED=$((SLURM_ARRAY_TASK_ID % 5))
code=0
# shellcheck disable=SC2016  # every task expands its own rank
srun sh -c 'RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=0 \
    exec python -m supervised_imagenet.01_training.train_imagenet imagenet_rn50 --data "$IMAGENET" --workers 14 \
    --task "$TASK" --seed "$SEED"' || code=$?
[ "$code" -ne 75 ] || exec scontrol requeue "$SLURM_JOB_ID"
exit "$code"
