"""The doctor of trajectories: what is odd is named, and what is sound is not."""

import h5py
import numpy as np
import pytest

from info_geometry import distance, predictions
from info_geometry.commands import doctor
from info_geometry.commands import predictions as command
from info_geometry.storage import checking
from tests.support.synthetic import labels_of, random_models, softmax, training

N, C, T = 80, 5, 24
LABELS = labels_of(N, C)


def path_of(seed=0, T=T, wander=0.0):
    """Return a training (T, N, C), with a random walk of this size beside it."""
    rng = np.random.default_rng(seed)
    noise, walk = rng.standard_normal((N, C)), np.cumsum(wander * rng.standard_normal((T, N, C)), axis=0)
    s = np.linspace(0, 1, T)
    detour = 6 * np.random.default_rng(99).standard_normal((N, C))  # the same for all seeds
    return np.stack(
        [softmax(0.1 * noise + 6 * a * np.eye(C)[LABELS] + 4 * a * (1 - a) * detour + w) for a, w in zip(s, walk)]
    )


def examined(folder, models, seed=0, run="mine_a", labels=LABELS, **options):
    path = folder / run / f"preds_{seed}.h5"
    predictions.write(path, models, labels=labels, overwrite=True, **options)
    return checking.examine(path)


def test_distances_are_those_of_the_library(tmp_path):
    P, Q = (random_models(np.random.default_rng(i), 4, N, C) for i in range(2))
    a, b = examined(tmp_path, P), examined(tmp_path, Q, 1)
    assert a.roots.shape == (4, N, C)
    np.testing.assert_allclose(doctor.distances(a.roots, b.roots), distance.cross([P], [Q]), rtol=2e-3)


@pytest.mark.parametrize("wander", [0, 0.05, 0.3])
def test_sound_trajectories_have_nothing_odd(tmp_path, wander):
    seeds = [examined(tmp_path, path_of(seed, wander=wander), seed) for seed in range(4)]
    assert [doctor.of_file(x) for x in seeds] == [[]] * 4
    assert doctor.of_run(seeds) == doctor.of_all(seeds) == []
    dense = examined(tmp_path, training(np.random.default_rng(0), LABELS, C, T=60), run="mine_b")
    assert doctor.of_file(dense) == []


def test_the_same_weights_under_several_names(tmp_path):
    models = path_of()
    x = examined(tmp_path, [*models[:10], *[models[-1]] * 14])
    [said] = doctor.of_file(x)
    assert (
        "mine_a/preds_0.h5: checkpoints 10 (t 10), 11 (t 11)," in said and "and 6 more are the same predictions" in said
    )


def test_checkpoints_sorted_as_texts(tmp_path):
    order = sorted(range(T), key=str)
    said = doctor.of_file(examined(tmp_path, path_of()[order], labels=None))
    assert (
        len(said) == 1
        and "hardly in the order of training: as they would be if they were sorted as texts (10 before 2)" in said[0]
    )


def test_checkpoints_in_no_order(tmp_path):
    order = np.random.default_rng(0).permutation(T)
    [said] = doctor.of_file(examined(tmp_path, path_of()[order]))
    assert "hardly in the order of training: in another one (" in said and " % as long" in said


def test_t_that_does_not_increase(tmp_path):
    x = examined(tmp_path, path_of())
    with h5py.File(x.trajectory.path, "r+") as file:
        file["t"][...] = [*range(12), *range(12)]
    [said] = doctor.of_file(checking.examine(x.trajectory.path))
    assert "t does not increase: checkpoint 12 has t = 0 after 11; convert --sort puts them in order" in said
    assert doctor.of_file(examined(tmp_path, path_of(), t=[*range(12), *range(12)], keep_order=True)) == []


def test_spikes(tmp_path):
    models = path_of()
    models[9] = models[22]
    models[9] = np.sqrt(models[9] * models[21]) / np.sqrt(models[9] * models[21]).sum(axis=-1, keepdims=True)
    [said] = doctor.of_file(examined(tmp_path, models, t=np.arange(T) / 2, t_name="epoch"))
    assert said.endswith("mine_a/preds_0.h5: checkpoint 9 (epoch 4.5) is far from both neighbours")


def test_jumps(tmp_path):
    models = path_of(T=80)
    [said] = doctor.of_file(examined(tmp_path, [*models[:15], *models[60:]]))
    assert "between checkpoints 14 and 15 it jumps " in said and " times as far as in the steps around" in said


def test_a_checkpoint_far_from_the_other_seeds(tmp_path):
    seeds = [examined(tmp_path, path_of(seed), seed) for seed in range(3)]
    models = path_of(3)
    models[[4, 17]] = models[[15, 6]]
    seeds.append(examined(tmp_path, models, 3))
    [said] = doctor.of_run(seeds)
    assert "preds_3.h5: checkpoints 4 (t 4), 17 (t 17) are far from the other seeds" in said


def test_a_seed_of_another_kind(tmp_path):
    seeds = [examined(tmp_path, path_of(seed), seed) for seed in range(3)]
    seeds.append(examined(tmp_path, random_models(np.random.default_rng(5), T, N, C, 0.1), 3))
    assert any("preds_3.h5: all its checkpoints are far from the other seeds" in said for said in doctor.of_run(seeds))


def test_copies_under_other_names(tmp_path):
    models, other = path_of(), path_of(1)
    files = [examined(tmp_path, models), examined(tmp_path, models, 1, "mine_b", t=np.arange(T) + 1.0)]
    files.append(examined(tmp_path, [*models[:2], *other[2:]], 2))
    copy, part = doctor.of_all(files)
    assert copy.endswith(f"mine_b/preds_1.h5 holds the same predictions as {tmp_path}/mine_a/preds_0.h5: one is a copy")
    assert part.endswith(f"preds_2.h5: checkpoints 0 (t 0), 1 (t 1) are also in {tmp_path}/mine_a/preds_0.h5")


def test_one_start_of_two_runs_may_be_meant(tmp_path):
    models, other = path_of(), path_of(1)
    files = [examined(tmp_path, models), examined(tmp_path, [models[0], *other[1:]], 0, "mine_b")]
    assert doctor.of_all(files) == []
    files.append(examined(tmp_path, [other[1], models[0], *other[2:]], 1, "mine_b"))
    assert len(doctor.of_all(files)) == 2


def test_labels_in_another_order(tmp_path):
    [said] = doctor.of_file(examined(tmp_path, path_of(), labels=np.roll(LABELS, 7)))
    assert "are its samples in the order of its labels?" in said


def test_the_command_examines_folders(tmp_path, capsys):
    for seed in range(2):
        examined(tmp_path, path_of(seed), seed)
    examined(tmp_path, path_of(0), 0, "mine_b")
    assert command.main(["check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count(": sound\n") == 3 and "3 sound, 0 not\n" in out
    assert f"note: {tmp_path}/mine_b/preds_0.h5 holds the same predictions as {tmp_path}/mine_a/preds_0.h5" in out
    assert command.main(["check", str(tmp_path / "mine_a")]) == 0
    assert "2 sound, 0 not\n" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert command.main(["check", str(tmp_path / "empty")]) == 1
    assert f"{tmp_path}/empty holds no preds_<seed>.h5" in capsys.readouterr().err
