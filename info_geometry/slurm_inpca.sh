#!/bin/sh
#SBATCH --nodes=2 --ntasks-per-node=4 --gpus-per-task=1 --cpus-per-task=8 --time=12:00:00
#SBATCH --requeue --signal=TERM@120 --open-mode=append
# The picture of many predictions over the GPUs of several nodes, one process a GPU; all see the same predictions/.
#     sbatch info_geometry/slurm_inpca.sh imagenet_all imagenet_vert --name mine
# SIGTERM comes 120 s before the time is up: distances that are done are kept, the code is 130, and the job is requeued,
# as it is on preemption; --resume goes on, on as many processes as there are then.
# When one process fails, the others do their share and keep it, whatever the cluster does by default: were they ended
# with SIGTERM, the code of srun would be theirs, 130, and bad input would be requeued forever.
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 40000))
export MASTER_ADDR MASTER_PORT
code=0
srun --kill-on-bad-exit=0 python -m info_geometry.inpca "$@" --resume || code=$?
case $code in
    130 | 143) exec scontrol requeue "$SLURM_JOB_ID" ;;  # 143: SIGTERM came while nothing was there to be kept
esac
exit "$code"
