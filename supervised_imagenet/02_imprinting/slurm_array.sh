#!/bin/sh
#SBATCH --array=0-29 --ntasks=1 --gpus-per-task=1 --cpus-per-task=16 --time=2:00:00 --requeue
# Predictions of the runs that 01_training/slurm_array.sh trains, one run an array element, on one GPU each.
#     IMAGENET=/data/packed sbatch --dependency=afterok:<job of the training> supervised_imagenet/02_imprinting/slurm_array.sh
# --ntasks=4: four GPUs share the checkpoints of a run.  What is stored is skipped; after time is up, or preemption, the
# run is begun again where its last complete part ends.
set -- all vert instr dog 3rd randomlab
shift $((SLURM_ARRAY_TASK_ID / 5))
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 40000))
export MASTER_ADDR MASTER_PORT RUN="imagenet_$1" SEED=$((SLURM_ARRAY_TASK_ID % 5))
# shellcheck disable=SC2016  # every task expands its own rank
exec srun sh -c 'RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=0 \
    exec python -m supervised_imagenet.02_imprinting.store_predictions "$RUN" --seed "$SEED" --data "$IMAGENET" --workers 14'
