"""Training on folders of images, packed or not; clusters; a tiny ImageNet through all stages."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from info_geometry import predictions
from info_geometry.files import ROOT
from learning import data, networks
from learning.data import folders, packed, packing
from learning.runs import run as runs
from tests.support import stages
from tests.support.runs import (
    folder_of,
    load_weights,
    main,
)
from tests.support.stages import STORE, TRAIN, done, run, until

BIRDS_AND_DOGS = ["n01514668", "n01530575", "n01531178", "n02085620", "n02088364", "n02099601"]


def write_imagenet(folder, **options):
    for split in ("train", "val"):
        stages.write_images(folder / "imagenet" / split, BIRDS_AND_DOGS, seed=split == "val", **options)


def test_folders_of_other_classes_are_refused(tmp_path):
    write_imagenet(tmp_path, per_class=2, size=24)
    overrides = {
        "network": "small_cnn",
        "epochs": 1,
        "warmup_epochs": 0,
        "batch_size": 6,
        "per_epoch": 1,
        "resolution": 32,
        "final_resolution": 32,
        "evaluation_resolution": 32,
        "learning_rate": 0.01,
    }
    done(TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, **overrides)
    shutil.rmtree(tmp_path / "imagenet" / "val" / BIRDS_AND_DOGS[0])
    code, text = run(STORE, tmp_path, "imagenet_rn50", "--data", tmp_path)
    assert code == 1 and f"was trained on other class folders than those in {tmp_path}/imagenet/val" in text


def flat(root):
    """As ImageNet is distributed."""
    for path in list((root / "val").glob("*/*.JPEG")):
        path.rename(root / "val" / f"{path.parent.name}_{path.name}")
    for path in (root / "val").glob("*/"):
        path.rmdir()
    return f"{root}/val: 12 images lie side by side"


def flat_below(root):
    """As tiny-imagenet is distributed, without its list."""
    flat(root)
    (root / "val").rename(root / "images")
    (root / "val").mkdir()
    (root / "images").rename(root / "val" / "images")
    return f"{root}/val: 12 images lie side by side"


def none(root):
    shutil.rmtree(root / "val")
    return f"{root}/val: no such folder"


def empty(root):
    shutil.rmtree(root / "val")
    (root / "val").mkdir()
    return f"{root}/val: no class folders in it"


def class_that_is_empty(root):
    for path in (root / "val" / BIRDS_AND_DOGS[2]).iterdir():
        path.unlink()
    return f"{root}/val: no images in 1 of 6 class folders ({BIRDS_AND_DOGS[2]}); complete"


def class_more(root):
    shutil.copytree(root / "val" / BIRDS_AND_DOGS[0], root / "val" / "n09999999")
    return "(6 and 7; only val has n09999999)"


def other_names(root):
    (root / "val" / BIRDS_AND_DOGS[0]).rename(root / "val" / "cock")
    return f"(6 and 6; only train has {BIRDS_AND_DOGS[0]}; only val has cock)"


@pytest.mark.parametrize(
    "spoil", [flat, flat_below, none, empty, class_that_is_empty, class_more, other_names], ids=lambda x: x.__name__
)
def test_validation_images_that_do_not_fit_are_said_before_training(tmp_path, monkeypatch, spoil):
    write_imagenet(tmp_path, per_class=2, size=24)
    said = spoil(tmp_path / "imagenet")
    options = {"network": "small_cnn", "batch_size": 6, "evaluate_every": 0}
    code, _, error = main(monkeypatch, TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, **options)
    assert code == 1 and error.startswith("error: ") and said in error and error.count("\n") == 1, error
    assert not list(tmp_path.glob("checkpoints/**/*"))


def test_validation_folders_of_other_classes_are_refused_before_training(tmp_path):
    write_imagenet(tmp_path, per_class=2, size=24)
    shutil.rmtree(tmp_path / "imagenet" / "val" / BIRDS_AND_DOGS[0])
    code, text = run(TRAIN, tmp_path, "imagenet_rn50", "--data", tmp_path, network="small_cnn", batch_size=6)
    where = f"{tmp_path}/imagenet/train and {tmp_path}/imagenet/val"
    assert code == 1 and f"{where} have different classes (6 and 5; only train has {BIRDS_AND_DOGS[0]}); " in text
    assert not list(tmp_path.glob("checkpoints/**/*.pth"))


@pytest.mark.parametrize(
    "task, words",
    [
        ("n02099601", "found 1 of the 6 classes; a task needs at least 2"),
        ("instr", "holds no class of imagenet"),
        ("0,9", "class 9 does not exist"),
    ],
)
def test_folders_of_too_few_classes_for_a_task(tmp_path, task, words):
    write_imagenet(tmp_path, per_class=1, size=24)
    code, text = run(TRAIN, tmp_path, "imagenet_rn50", "--task", task, "--data", tmp_path)
    assert code == 1 and words in text, text


@pytest.mark.parametrize("pack", [False, True])
def test_output_k_answers_to_the_colour_of_class_k(tmp_path, pack):
    """Dogs are classes 3, 4 and 5 of the folders; birds, in the same colours, are never seen."""
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    write_imagenet(tmp_path, colour=colours[::-1] + colours)
    if pack:
        for split in ("train", "val"):
            source, target = folders.Folder(tmp_path / "imagenet" / split), tmp_path / "packed" / split
            names = [os.fsdecode(path) for path in source.paths]
            count, *_ = packing.pack_part(
                packed.part_path(target, 0), source.root, names, source.labels, size=40, quality=90, skip_corrupt=False
            )
            packing.write_index(target, {"classes": source.class_names, "images": [count]})
    folder = tmp_path / ("packed" if pack else "imagenet")
    done(
        TRAIN,
        tmp_path,
        "imagenet_rn50",
        "--task",
        "dog",
        "--data",
        folder,
        network="small_cnn",
        epochs=8,
        warmup_epochs=2,
        batch_size=8,
        base_batch_size=0,
        learning_rate=0.1,
        per_epoch=1,
        dense_epochs=1,
        resolution=32,
        final_resolution=32,
        evaluation_resolution=32,
    )
    network = networks.build("small_cnn", 3, 224, 3, 0)
    load_weights(folder_of(tmp_path, "imagenet_dog") / "ckpt" / "8_0.pth", network)
    val = data.load("imagenet", "val", folder)
    with torch.inference_mode():
        logits = network.eval()(next(val.batches(data.evaluation_plan(48, 48, 32))))
    answers, labels = logits.argmax(dim=1).numpy(), val.labels
    assert (answers == np.where(labels >= 3, labels - 3, 2 - labels)).mean() > 0.95  # birds: the dog of their colour
    lines = stages.log_lines(folder_of(tmp_path, "imagenet_dog"))
    assert lines[-1]["evaluation_accuracy"] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signal_to_all_processes_of_a_job_is_a_warning(tmp_path, number):
    """Those that load images are not ended by it while the one that trains finishes its step."""
    write_imagenet(tmp_path, per_class=30, size=40)
    words = ["--data", tmp_path, "--workers", 2, "--checkpoints-folder", tmp_path / "checkpoints"]
    words += ["--network", "small_cnn", "--epochs", 2000, "--batch_size", 20, "--evaluate_every", 0]
    process = subprocess.Popen(
        [sys.executable, ROOT / TRAIN, "imagenet_rn50", *map(str, words)],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: (folder_of(tmp_path, "imagenet_all") / "ckpt" / "1_0.pth").exists(), 120)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75 and "Traceback" not in output, output


def slurm_array(tmp_path, stage, code=0):
    """Run an array script where srun starts two tasks; return its exit code and what python and scontrol were asked."""
    (tmp_path / "srun").write_text(
        '#!/bin/sh\nfor rank in 0 1; do SLURM_PROCID=$rank SLURM_NTASKS=2 "$@" || code=$?; done\nexit "${code:-0}"\n'
    )
    (tmp_path / "python").write_text(
        f'#!/bin/sh\necho "$RANK of $WORLD_SIZE on $LOCAL_RANK at $MASTER_ADDR: $*" >> {tmp_path}/asked\nexit {code}\n'
    )
    (tmp_path / "scontrol").write_text(
        f'#!/bin/sh\n[ "$1" = show ] && printf "node1\\nnode2\\n" || echo "scontrol $*" >> {tmp_path}/asked\n'
    )
    for name in ("srun", "python", "scontrol"):
        (tmp_path / name).chmod(0o755)
    found = subprocess.run(
        ["sh", ROOT / "supervised_imagenet" / stage / "slurm_array.sh"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": "7",
            "SLURM_JOB_ID": "1234",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "IMAGENET": "/data",
        },
    )
    return found.returncode, (tmp_path / "asked").read_text().splitlines()


@pytest.mark.parametrize("code, requeued", [(75, True), (0, False), (1, False)])
def test_slurm_array_requeues_what_was_interrupted(tmp_path, code, requeued):
    found, asked = slurm_array(tmp_path, "01_training", code)
    assert found == (0 if requeued else code)
    expected = (
        "-m supervised_imagenet.01_training.train_imagenet imagenet_rn50 --data /data --workers 14 --task vert --seed 2"
    )
    assert asked[:2] == [f"{rank} of 2 on 0 at node1: {expected}" for rank in (0, 1)]
    assert asked[2:] == (["scontrol requeue 1234"] if requeued else [])


@pytest.mark.parametrize("code", [0, 1])
def test_slurm_array_of_imprinting(tmp_path, code):
    found, asked = slurm_array(tmp_path, "02_imprinting", code)
    words = "-m supervised_imagenet.02_imprinting.store_predictions imagenet_vert --seed 2 --data /data --workers 14"
    assert found == code and asked == [f"{rank} of 2 on 0 at node1: {words}" for rank in (0, 1)]


@pytest.mark.slow
def test_tiny_imagenet_goes_through_everything(tmp_path):
    write_imagenet(tmp_path)
    overrides = {
        "epochs": 2,
        "warmup_epochs": 1,
        "batch_size": 8,
        "per_epoch": 1,
        "learning_rate": 0.01,
        "resolution": 32,
        "final_resolution": 64,
        "grow_from": 0,
        "grow_until": 1,
        "evaluation_resolution": 32,
    }
    arguments = ["imagenet_rn50", "--task", "all", "dog", "--data", tmp_path]
    assert "training: 2 done" in done(TRAIN, tmp_path, *arguments, "--workers", "2", **overrides)
    assert runs.read(folder_of(tmp_path, "imagenet_dog")).task.classes == (3, 4, 5)
    assert "imprinting: 2 done" in done(STORE, tmp_path, *arguments)
    shutil.rmtree(tmp_path / "checkpoints")  # half a gigabyte
    for command in ("inpca", "trajectory"):
        subprocess.run(
            [
                sys.executable,
                ROOT / "info_geometry" / f"{command}.py",
                "--name",
                "imagenet",
                "--predictions",
                tmp_path / "predictions",
                "--plots",
                tmp_path / "plots",
            ],
            check=True,
            cwd=tmp_path,
        )
    assert predictions.open_trajectory(tmp_path / "predictions" / "imagenet_dog" / "preds_0.h5").shape == (3, 48, 6)
    assert (tmp_path / "predictions" / "embedding" / "imagenet.npz").exists()
    assert list((tmp_path / "plots" / "imagenet").glob("*.png"))
