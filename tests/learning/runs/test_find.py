"""Which runs are asked for, by names and patterns; and the command that trains each."""

import hashlib

import pytest

from info_geometry.files import InputError
from learning.runs import find
from learning.runs.find import Asked
from learning.runs.run import Folders


@pytest.fixture
def folders(tmp_path):
    there = Folders(checkpoints=tmp_path / "checkpoints", predictions=tmp_path / "predictions")
    for name, seed in (("digits_all", 0), ("digits_all", 10), ("digits_all_adam", 2), ("fashion_all", 1)):
        there.run(name, seed).mkdir(parents=True)
        (there.run(name, seed) / "run.json").touch()
    for name, seed in (("digits_all", 3), ("digits_gone", 4)):
        there.file(name, seed).parent.mkdir(parents=True, exist_ok=True)
        there.file(name, seed).touch()
    return there


@pytest.mark.parametrize(
    "patterns, seeds, expected",
    [
        (["digits_all"], None, [("digits_all", 0), ("digits_all", 3), ("digits_all", 10)]),
        (["digits_all"], [10], [("digits_all", 10)]),
        (["digits_all", "digits_all"], [10, 10], [("digits_all", 10)]),
        (["*_adam", "fashion_*"], None, [("digits_all_adam", 2), ("fashion_all", 1)]),
        (["digits_gone"], None, [("digits_gone", 4)]),
        (["cifar10_all"], None, [("cifar10_all", 0)]),  # is not there, which is said when its turn comes
        (["cifar10_all"], [1, 2], [("cifar10_all", 1), ("cifar10_all", 2)]),
    ],
)
def test_runs_by_names_and_patterns(folders, patterns, seeds, expected):
    assert [(asked.name, asked.seed) for asked in find.named(patterns, seeds, folders)] == expected


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("mnist_*", "has no run 'mnist_\\*'; there are digits_all, digits_all_adam, fashion_all"),
        ("digits_al", "there is no run 'digits_al', nor a configuration; did you mean digits_all?"),
        ("nowhere", "there is no run 'nowhere', nor a configuration; there are the runs digits_all, "),
    ],
)
def test_runs_that_are_not_there(folders, pattern, message):
    with pytest.raises(InputError, match=message):
        find.named([pattern], None, folders)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("digits_even", "supervised_imagenet.01_training.train_imagenet digits --task even"),
        ("imagenet_vert", "supervised_imagenet.01_training.train_imagenet imagenet_rn50 --task vert"),
        ("digits_all_barlow", "experiments.contrastive.01_training.train_contrastive digits_barlow --task all"),
        (
            "fashion_low_5way",
            "experiments.meta_learning.01_training.train_prototypical fashion_5way --task low --ways 5",
        ),
        (
            "digits_low_layerwise_line",
            "experiments.subspaces.01_training.train_subspace digits_line --task low --layerwise true",
        ),
        ("digits_low_line", "experiments.subspaces.01_training.train_subspace digits_line --task low"),
        (
            "fashion_all_simplex4_wide",
            "experiments.subspaces.01_training.train_subspace fashion_simplex --task all --vertices 4 --variant wide",
        ),
        (
            "fashion_all_variational_warm_beta0.1-ln1",
            "experiments.weight_information.01_training.train_variational fashion_variational --task all "
            "--variant beta0.1-ln1",
        ),
        (
            "digits_all_plus1_full",
            "experiments.symmetries.01_training.train_stitch digits_stitch --task all --receiver 1 --kind full",
        ),
        (
            "fashion_low_untrained_minus2_random_g_relu_wide",
            "experiments.symmetries.01_training.train_stitch fashion_stitch --task low --sender untrained "
            "--receiver -2 --kind random_g_relu --variant wide",
        ),
        (
            "digits_all_plus1_g_relu",
            "experiments.symmetries.01_training.train_stitch digits_g_relu --task all --receiver 1",
        ),
        (
            "digits_all_noise_minus2_lasso_strength0.1",
            "experiments.symmetries.01_training.train_stitch digits_lasso --task all --sender noise --receiver -2 "
            "--variant strength0.1",
        ),
        (
            "digits_all_planted_matched",
            "experiments.symmetries.01_training.train_stitch digits_stitch --task all --sender planted --kind matched",
        ),
        (
            "digits_all_retrained_identity",
            "experiments.symmetries.01_training.train_stitch digits_transformed --task all --kind identity",
        ),
        (
            "fashion_all_blur7_0to40",
            "experiments.critical_periods.01_training.train_periods fashion_periods --task all --deficit blur "
            "--factor 7 --onset 0 --end 40",
        ),
        (
            "digits_low_permuted_labels_0.5to3_window_lr0.1",
            "experiments.critical_periods.01_training.train_periods digits_window --task low "
            "--deficit permuted_labels --onset 0.5 --end 3 --variant lr0.1",
        ),
        (
            "cifar10_all_none_0to40",
            "experiments.critical_periods.01_training.train_periods cifar10_periods --task all --deficit none "
            "--onset 0 --end 40",
        ),
        (
            "fashion_all_clean_window",
            "experiments.critical_periods.01_training.train_periods fashion_window --task all",
        ),
        ("digits_low_clean", "experiments.critical_periods.01_training.train_periods digits_periods --task low"),
        (
            "digits_low_point_clean",
            "experiments.subspaces.01_training.train_subspace digits_point --task low --variant clean",
        ),
        (
            "digits_low_blur3_and_all_flip_from_all_plain",
            "experiments.task_distances.01_training.train_task digits_tasks --task low --condition blur3 "
            "--also all:flip --start digits_all_plain",
        ),
        (
            "digits_all_plain_probe",
            "experiments.task_distances.01_training.train_task digits_tasks --task all "
            "--condition plain --variant probe",
        ),
        (
            "fashion_all_plain_width8",
            "experiments.task_distances.01_training.train_task fashion_tasks --task all "
            "--condition plain --variant width8",
        ),
        (
            "digits_even_flip_from_all_plain_few",
            "experiments.task_distances.01_training.train_task digits_tasks --task even "
            "--condition flip --start digits_all_plain --variant few",
        ),
        (
            "fashion_all_plain_and_all_flip_beta1",
            "experiments.task_distances.01_training.train_task fashion_tasks_variational --task all "
            "--condition plain --also all:flip --beta 1",
        ),
        (
            "fashion_all_plain_and_3rd_flip_beta1e-05_few",
            "experiments.task_distances.01_training.train_task fashion_tasks_variational --task all "
            "--condition plain --also 3rd:flip --beta 1e-05 --variant few",
        ),
        (
            "digits_even_plain_from_odd_plain_from_all_flip",
            "experiments.task_distances.01_training.train_task digits_tasks --task even "
            "--condition plain --start digits_odd_plain_from_all_flip",
        ),
        (
            "digits_even_plain_from_all",
            "experiments.task_distances.01_training.train_task digits_tasks --task even "
            "--condition plain --start digits_all",
        ),
        (
            "digits_low_from_all_flip_at_3",
            "experiments.fine_tuning.01_training.train_fine_tuned digits --task low --start all_flip --checkpoint 3",
        ),
        ("digits_all_3way", "experiments.meta_learning.01_training.train_prototypical digits --task all --ways 3"),
        ("fashion_all_fixmatch", "experiments.semi_supervised.01_training.train_fixmatch fashion --task all"),
        (
            "digits_low_from_all_at_3",
            "experiments.fine_tuning.01_training.train_fine_tuned digits --task low --start all --checkpoint 3",
        ),
    ],
)
def test_command_that_trains_a_run_of_version_0_1_follows_from_its_name(name, expected):
    assert " ".join(find.guessed(name)) == expected


def test_command_can_be_pasted(folders):
    said = find.training_command(Asked("digits_all", 3, ("module", "a b", "--task", "8,1")), None, folders)
    assert said == (
        f"python -m module 'a b' --task 8,1 --seed 3 --checkpoints-folder {folders.checkpoints} "
        f"--predictions {folders.predictions}"
    )
    assert find.command("module", 3, folders=Folders()) == "python -m module 3"


def test_weights_that_a_run_starts_from(undisturbed):
    there = Folders(checkpoints=undisturbed / "checkpoints", predictions=undisturbed / "predictions")
    folder = there.run("digits_all", 0) / "ckpt"
    for number, name in ((None, "2_0.pth"), (11, "2_0.pth"), (0, "0_0.pth")):
        expected = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        found = find.weights_of(Asked("digits_all", 0), number, there)
        assert found == {"run": "digits_all", "checkpoint": name, "sha256": expected}


def test_weights_that_are_not_there(copied):
    there = Folders(checkpoints=copied / "checkpoints", predictions=copied / "predictions")
    trained = "train it with python -m supervised_imagenet.01_training.train_imagenet digits"
    for asked, number, message in (
        (Asked("digits_all", 1), None, f"digits_all/seed_1 holds no run to start from; {trained} --task all --seed 1"),
        (
            Asked("digits_low", 0, ("a.module", "word")),
            0,
            "no run to start from; train it with python -m a.module word",
        ),
        (Asked("digits_all", 0), 12, "--checkpoint 12: .*digits_all/seed_0 has the checkpoints 0 to 11"),
        (Asked("digits_all", 0), -1, "--checkpoint -1: .*digits_all/seed_0 has the checkpoints 0 to 11"),
    ):
        with pytest.raises(InputError, match=message):
            find.weights_of(asked, number, there)
    (there.run("digits_all", 0) / "ckpt" / "2_0.pth").unlink()
    with pytest.raises(InputError, match=r"2_0\.pth: no such checkpoint; training did not finish, or kept predictions"):
        find.weights_of(Asked("digits_all", 0), None, there)
