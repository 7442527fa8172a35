"""Which runs there are, by their grid file, and which count."""

import dataclasses
import re

import pytest

from experiments.manifold import results
from experiments.manifold.measured import BATCH, DECAY, NETWORK, OPTIMISER
from experiments.manifold.planned import CORNERS, FULL, GRID, QUICK, SPEED, SYNTHETIC, complete
from experiments.manifold.results import ABSENT, DIVERGED, Results
from info_geometry.files import ROOT, InputError, write_text
from learning.runs.run import Folders
from learning.tasks import facts
from tests.experiments.manifold import generated


def config_of(found, name):
    return next(x.config for runs in found.planned.values() for x in runs if x.name == name)


def test_runs_are_those_of_the_grid_file_and_belong_to_sections(study):
    counts = {section: len(runs) for section, runs in study.planned.items()}
    assert counts == {GRID: 12, SPEED: 3, CORNERS: 4, SYNTHETIC: 8}
    assert [run.name for run in study.planned[SPEED]] == [f"digits_all_speed-w{w}" for w in (16, 64, 256)]
    assert {run.seeds for run in study.planned[GRID]} == {(10, 11)}
    assert {run.seeds for run in study.planned[SYNTHETIC]} == {(0, 1, 2, 3)}  # those of the file
    starts = [run.config.start for run in study.planned[CORNERS]]
    assert starts == ["", "", "digits_all_corner-random0", "digits_all_corner-few20"]
    assert len(study.files()) == 2 * (12 + 3 + 4) + 4 * 8


def test_factors_are_read_off_configurations(study):
    levels = results.factors_of({run.name: run.config for run in study.planned[GRID]})
    assert levels["digits_all_fc-nesterov-wd0"] == {
        NETWORK: "fc 64-32",
        OPTIMISER: "nesterov",
        BATCH: "50",
        DECAY: "none",
        "augmentation": "none",
    }
    assert levels["digits_all_fc16-sgd-wd0.001"][NETWORK] == "fc 16-16"
    assert levels["digits_all_fc16-sgd-wd0.001"][OPTIMISER] == "sgd"
    assert levels["digits_all_fc16-sgd-wd0.001"][DECAY] == "some"
    assert levels["digits_all_plain_cnn-sgd-wd0"][NETWORK].startswith("plain_cnn")
    heavy = dataclasses.replace(config_of(study, generated.USUAL), nesterov=False)
    assert results.factors_of({"heavy": heavy})["heavy"][OPTIMISER] == "momentum"
    assert results.factors_of({"heavy": heavy})["heavy"][NETWORK] == "fc"  # of one shape


def test_a_network_says_the_shape_it_has_by_itself(study):
    usual = config_of(study, generated.USUAL)
    unsaid, said = (dataclasses.replace(usual, widths=widths) for widths in ("", "256-128"))
    assert complete(unsaid) == complete(said) == said != unsaid
    assert complete(usual) == usual


@pytest.mark.parametrize("size", [FULL, QUICK])
def test_second_phases_of_what_is_trained_have_runs_of_the_grid_to_compare_with(size):
    found = Results(Folders(), (10, 11), size)
    grid = {run.name: run.config for run in found.planned[GRID]}
    levels = results.factors_of(grid)
    assert len({x[NETWORK] for x in levels.values()}) > 2
    assert len({tuple(x.values()) for x in levels.values()}) == len(grid)  # a design in which no cell is there twice
    second = [run.config for run in found.planned[CORNERS] if run.config.start]
    assert second and all(dataclasses.replace(each, start="") in grid.values() for each in second)
    assert len(found.planned[SPEED]) == 4
    inputs = {run.config.dataset: run.config for run in found.planned[SYNTHETIC]}
    assert set(inputs) == {size.sloppy, size.flat} and facts(size.sloppy).decay > facts(size.flat).decay


def test_runs_that_ended_badly_diverged_or_are_missing_are_named(tmp_path):
    found = generated.sweep(tmp_path, [GRID])
    bad, gone, lost, *_ = found.planned[GRID]
    generated.write(found.folders, bad, 10, generated.run("bad", final=-3.0))
    for planned in (gone, lost):
        found.folders.file(planned.name, 10).unlink()
    write_text(found.folders.run(gone.name, 10) / "diverged.json", '{"step": 3, "error": "it diverged"}')
    kept, every, text, why = found.grid()
    assert len(kept) == 21 and len(every) == 22
    assert "2 of 23 runs are left out" in text and f"{bad.name} seed 10 (1)" in text
    assert f"{gone.name} seed 10 (diverged)" in text and f"1 more are not there: {lost.name} seed 10" in text
    assert why == {f"{bad.name} seed 10": "1.000", f"{gone.name} seed 10": DIVERGED, f"{lost.name} seed 10": ABSENT}
    assert found.open(gone, 10) is None
    with pytest.raises(InputError, match=rf"{lost.name}/preds_10.h5 is missing; `make manifold-quick` trains them"):
        found.open(lost, 10)


def test_a_seed_with_few_runs_that_ended_well_is_refused(tmp_path):
    found = dataclasses.replace(generated.sweep(tmp_path, [GRID]), seeds=(10, 11, 12))
    with pytest.raises(InputError, match=r"0 of 12 runs of seed 12 .* at most 0.35 .*: 12 are not there, 0 div"):
        found.grid()
    some = dataclasses.replace(found, seeds=(10,))
    lost, gone, bad = [some.planned[GRID][k : k + 3] for k in (0, 3, 6)]
    for run in (*lost, *gone):
        found.folders.file(run.name, 10).unlink()
    for run in gone:
        write_text(found.folders.run(run.name, 10) / "diverged.json", '{"step": 3, "error": "it diverged"}')
    for run in bad:
        generated.write(found.folders, run, 10, generated.run("bad", final=-3.0))
    assert len(dataclasses.replace(some).grid()[0]) == 3
    found.folders.file(some.planned[GRID][9].name, 10).unlink()
    with pytest.raises(InputError, match=r"2 of 12 runs of seed 10 .* 3 or more: 4 are not there, 3 diverged, 3 ended"):
        some.grid()


def test_files_of_another_run_or_without_parts_are_refused(tmp_path):
    found = generated.of(tmp_path)
    one, P = found.planned[GRID][0], generated.run("a")
    for changes, told in (
        ({"dataset": "fashion"}, "dataset 'fashion', expected 'digits'"),
        ({"seed": 3}, "seed 3, expected 10"),
        ({"config": {**dataclasses.asdict(one.config), "learning_rate": 0.5}}, "learning_rate 0.5, expected 0.1"),
        ({"config": {**dataclasses.asdict(one.config), "beta": 1.0}}, "beta 1.0, expected 'nothing'"),
    ):
        generated.write(found.folders, one, 10, P, **changes)
        path = found.folders.file(one.name, 10)
        with pytest.raises(InputError, match=f"{path} is of another run than the grid file says: {told}; delete it"):
            found.open(one, 10)
    generated.write(found.folders, one, 11, P[:, : generated.N])
    with pytest.raises(InputError, match="does not say which samples are of training"):
        found.open(one, 11)


def test_files_from_before_a_key_was_there_are_of_the_same_run(tmp_path):
    """Keys with defaults are left out, and the shape that a network has by itself; so are those of no training here."""
    found = generated.of(tmp_path)
    one = next(run for run in found.planned[GRID] if run.config.network == "plain_cnn")
    assert one.config.width
    config = {key: value for key, value in dataclasses.asdict(one.config).items() if key not in ("keep", "label_noise")}
    for older in ({**config, "width": 0}, {key: value for key, value in config.items() if key != "width"}):
        generated.write(found.folders, one, 10, generated.run("a"), config=older)
        assert dataclasses.replace(found).open(one, 10).config == one.config
    generated.write(found.folders, one, 10, generated.run("a"), config={**config, "width": 3})
    with pytest.raises(InputError, match=f"width 3, expected {one.config.width}"):
        dataclasses.replace(found).open(one, 10)


def test_results_remember_only_what_they_read_themselves(tmp_path):
    found = generated.sweep(tmp_path, [GRID])
    again, other = dataclasses.replace(found), dataclasses.replace(found)
    bad = found.planned[GRID][0]
    assert len(found.grid()[0]) == 24 and found.open(bad, 10) is found.open(bad, 10)
    generated.write(found.folders, bad, 10, generated.run("bad", final=-3.0))
    assert again == found and len(again.grid()[0]) == 23 and other.open(bad, 10).error > 0.9


def test_what_strangers_vary_is_a_level_of_a_factor(study):
    usual = config_of(study, generated.USUAL)

    def of(**every):
        return results.factors_of({name: dataclasses.replace(usual, **changes) for name, changes in every.items()})

    two = of(a={"weight_decay": 0.001}, b={"weight_decay": 0.1}, c={})
    assert [x[DECAY] for x in two.values()] == ["0.001", "0.1", "none"]
    one = of(a={"weight_decay": 0.001}, b={"optimiser": "adam", "weight_decay": 1e-5}, c={}, d={"optimiser": "adam"})
    assert [x[DECAY] for x in one.values()] == ["some", "some", "none", "none"]
    fast = of(a={"momentum": 0.5}, b={}, c={"momentum": 0.5, "nesterov": False}, d={"momentum": 0.0})
    assert [x[OPTIMISER] for x in fast.values()] == ["nesterov 0.5", "nesterov 0.9", "momentum", "sgd"]
    told = r"a and b are alike in all factors .* but not in learning_rate \(0.1 and 0.2\), initialisation \(default and"
    with pytest.raises(InputError, match=told):
        of(a={}, b={"learning_rate": 0.2, "initialisation": "kaiming"})


def test_missing_sections_are_said(study, tmp_path):
    there = generated.sweep(tmp_path, [SPEED])
    assert not study.missing(CORNERS) and not there.missing(SPEED)
    assert there.missing(GRID) == (
        f"{there.folders.file(generated.USUAL, 10)} is missing, and all others of the grid"
    )  # fmt: skip
    none = dataclasses.replace(there, size=dataclasses.replace(there.size, dataset="fashion"))
    assert "says no runs of the grid" in none.missing(GRID)


@pytest.mark.parametrize("size", [FULL, QUICK])
def test_grid_files_say_runs_of_each_section(size):
    found = Results(Folders(), (10, 11), size).planned
    assert all(found.values()) and {x.config.dataset for x in found[GRID]} == {size.dataset}
    assert re.search(rf"^{size.target}: ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
