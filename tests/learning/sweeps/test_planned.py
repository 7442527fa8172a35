"""Plans: the names, settings and sizes of runs are those that they have once they are trained."""

import pytest
import yaml

from info_geometry.files import ROOT, InputError
from learning import data, grids, networks
from learning.config import with_defaults
from learning.runs import run as runs
from learning.runs.run import Folders
from learning.sweeps import planned
from tests.support.runs import TINY, module, options
from tests.support.stages import STORE, TRAIN, done

GOOD = {"stage": module(TRAIN), "config": "digits", "settings": TINY}
FINE = {"stage": "experiments.fine_tuning.01_training.train_fine_tuned", "config": "digits", "task": "low"}


def read(folder, *entries, **more):
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(list(entries)))
    every = grids.read(path, **more)
    return planned.of_grids(every), every, path


def test_runs_are_named_and_sized_as_they_will_be(tmp_path):
    grid = {**GOOD, "task": ["even", "8,1"], "seed": [3, 4], "settings": {**TINY, "momentum": [0.5, 0.9]}}
    ((*own,),), _, _ = read(tmp_path, {**grid, "imprint": ["", "--temperature fitted", "--head"]})
    assert len(own) == 8 and len({run.run for run in own}) == 8
    words = ["--task", "even", "8,1", "--seed", 3, 4, "--momentum", 0.9, "--variant", "momentum0.9"]
    done(TRAIN, tmp_path, "digits", *words, *options(TINY))
    folders = Folders(tmp_path, tmp_path / "checkpoints", tmp_path / "predictions")
    trained = [run for run in own if run.settings["momentum"] == 0.9]
    assert [run.run for run in trained] == [
        (f"digits_{t}_momentum0.9", s) for t in ("even", "classes_1-8") for s in (3, 4)
    ]
    for run in trained:
        there = runs.read(folders.run(*run.run))
        assert {key: run.settings[key] for key in there.config} == with_defaults(there.config)
        assert tuple(run.settings["classes"]) == there.task.classes
        size = sum(path.stat().st_size for path in folders.run(*run.run).glob("**/*.pth"))
        assert size == pytest.approx(run.checkpoints, rel=0.15)  # besides weights, a file holds their names
        assert run.predictions == 3 * (len(there.schedule) * 599 * 10 * 2) and not run.error
        name = run.run[0]
        assert run.stored == (name, f"{name}_fitted", f"{name}_head")
    done(STORE, tmp_path, trained[0].run[0], "--seed", 3, "--temperature", "fitted")
    assert folders.file(trained[0].stored[1], 3).exists()


def test_no_data_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "load", None)
    every = read(tmp_path, *({"stage": GOOD["stage"], "config": name} for name in ("cifar10", "imagenet_rn50")))[0]
    assert [run.run for (run,) in every] == [("cifar10_all", 0), ("imagenet_all", 0)]
    assert all(run.checkpoints > 1e6 and not run.error for (run,) in every)


@pytest.mark.parametrize("path", [*ROOT.glob("*/sweeps/*.yaml"), *ROOT.glob("experiments/*/*.yaml")], ids=str)
def test_shipped_grids_name_no_run_twice(path):
    every = grids.read(path)
    found = planned.of_grids(every)
    planned.check_names(found, every, path)
    assert [len(own) for own in found] == [len(grid.runs()) for grid in every]
    assert all(run.run and not run.error for own in found for run in own)


def test_two_grids_that_give_one_name_are_refused_and_named(tmp_path):
    one, other = {**GOOD, "name": "slow"}, {**GOOD, "name": "fast", "settings": {**TINY, "learning_rate": 0.3}}
    message = r"grid 0 \(slow\) and grid 1 \(fast\) both give the run digits_all seed 0, .*learning_rate 0.01 and 0.3"
    with pytest.raises(InputError, match=message):
        planned.check_names(*read(tmp_path, one, other))
    planned.check_names(*read(tmp_path, one, {**other, "variant": "fast"}))
    planned.check_names(*read(tmp_path, one, {**other, "seed": 1}))
    planned.check_names(*read(tmp_path, one, {**one, "name": "the same, again"}))
    default = {**one, "settings": {**TINY, "momentum": 0.9}}  # said, or not said: the same run
    planned.check_names(*read(tmp_path, one, default))
    assert len(planned.once(read(tmp_path, one, default)[0])) == 1


def test_two_entries_of_a_grid_that_give_one_name_are_refused(tmp_path):
    """A method's own argument names no variant."""
    own = {"stage": "experiments.weight_information.01_training.train_variational", "config": "digits_variational"}
    starts = ["digits_all_variational_a", "digits_all_variational_b"]
    with pytest.raises(InputError, match=r"two entries of grid 0 both give the run .* \(start '.*_a' and '.*_b'\)"):
        planned.check_names(*read(tmp_path, {**own, "variant": "warm", "arguments": {"start": starts}}))
    planned.check_names(*read(tmp_path, {**FINE, "arguments": {"start": ["all", "even"], "checkpoint": [0, 1]}}))


@pytest.mark.parametrize(
    "changes, message, named",
    [
        ({"settings": {"epoch": 3}}, "unknown key --epoch; did you mean --epochs", False),
        ({"task": "evn"}, "has no task 'evn'", False),
        ({"settings": {"depth": 3}}, "depth is 3, but small_cnn has only its own", True),
        ({"stage": FINE["stage"]}, "--start is missing", False),
        ({"seed": -1}, "--seed -1: expected whole numbers", False),
    ],
)
def test_what_cannot_be_trained_is_known_before(tmp_path, capsys, changes, message, named):
    ((run,), (good,)), _, _ = read(tmp_path, {**GOOD, **changes}, GOOD)
    assert message in run.error and (run.run is not None) == named and not good.error
    assert capsys.readouterr() == ("", "")


def test_who_is_asked_may_end_it(tmp_path):
    def check():
        raise KeyboardInterrupt

    every = read(tmp_path, GOOD)[1]
    with pytest.raises(KeyboardInterrupt):
        planned.of_grids(every, check)


def test_a_stage_that_stores_predictions_itself_names_their_file(tmp_path):
    """So that its runs are complete once that is there; where it keeps weights, its stage 2 says when they are."""
    own = "experiments.manifold"
    grid = {"stage": f"{own}.01_training.train_manifold", "store": f"{own}.02_predicting.store_both"}
    grid |= {"config": "digits_manifold", "settings": {"keep": ["predictions", "weights"]}}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    ((one, other),) = planned.of_grids(grids.read(tmp_path / "grid.yaml"))
    assert one.stored == ("digits_all_predictions",) and other.stored == (None,)
    weights = networks.build("fc", 1, 8, 10, 0).state_dict().values()
    size = sum(value.numel() * value.element_size() for value in weights)
    assert one.checkpoints == 2 * size and other.checkpoints == (2 + 12) * size  # last.pth, and 12 checkpoints
    assert one.predictions == 2 * 12 * 800 * 10
