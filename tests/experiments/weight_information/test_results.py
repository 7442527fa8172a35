"""Files of what is known of networks, brought into arrays; and the runs that they are of, which grids train."""

import itertools
import math
import shlex

import numpy as np
import pytest

from experiments.weight_information import measured, picture, results
from experiments.weight_information.choices import Inspection
from experiments.weight_information.results import FULL, QUICK, derived
from info_geometry import predictions
from info_geometry.files import ROOT, InputError
from learning import grids
from learning.config import read_yaml
from learning.runs.run import Folders
from tests.experiments.weight_information import made_up_results as made_up
from tests.experiments.weight_information.made_up_results import LABELS, SMALL, C, N, T, write

FOLDER = ROOT / "experiments" / "weight_information"
STAGES = {
    "experiments.weight_information.01_training.train_variational": "variational",
    "experiments.subspaces.01_training.train_subspace": "point",
}
SIZES = [pytest.param("runs.yaml", FULL, (10, 11, 12), id="full"), pytest.param("quick.yaml", QUICK, (10,), id="quick")]


def d_B(P, Q):
    """Return the distance of two models, sample by sample."""
    each = [-math.log(sum(math.sqrt(p * q) for p, q in zip(*rows))) for rows in zip(P, Q)]
    return sum(each) / len(each)


def accuracy(P):
    return sum(row.argmax() == label for row, label in zip(P, LABELS)) / N


def test_a_sweep(tmp_path):
    betas, there = (0.01, 1, 10), {}
    for seed in (10, 11):
        for beta in betas:
            there[seed, beta] = write(tmp_path, f"variational_beta{beta:g}-ln1", seed, label_noise=1.0)
    found = made_up.results(tmp_path).sweep("beta{}-ln1", betas)
    assert found.beta.tolist() == [0.01, 1, 10] and (found.samples, found.label_noise) == (200, 1.0)
    more = {"accuracy", "ignorance", "information", "trace_of_all", "fineness"}
    assert found.known.keys() == {*made_up.KEYS, *more} and all(x.shape == (2, 3) for x in found.known.values())
    equal = np.full((N, C), 1 / C)
    for (i, seed), (k, beta) in ((a, b) for a in enumerate((10, 11)) for b in enumerate(betas)):
        P, known = there[seed, beta]
        assert all(found[key][i, k] == known[key][-1] for key in made_up.KEYS)  # of the last network
        assert found["accuracy"][i, k] == pytest.approx(accuracy(P[-1]))
        assert found["ignorance"][i, k] == pytest.approx(d_B(P[-1], equal), abs=1e-3)
        assert found["information"][i, k] == pytest.approx(known["norm"][-1] + known["determinant"][-1])
        assert found["trace_of_all"][i, k] == pytest.approx(200 * known["trace"][-1])
        assert found["fineness"][i, k] == pytest.approx(math.log2(1 / known["noise"][-1]))


def test_sure_and_ignorant_models(tmp_path):
    for name, row in (("sure", np.eye(C)[LABELS]), ("wrong", np.eye(C)[LABELS - 1]), ("none", np.full((N, C), 1 / C))):
        place = tmp_path / "p" / f"digits_all_variational_{name}_information" / "preds_10.h5"
        said = {"known": made_up.values(name, 10), "samples": 9, "config": {"label_noise": 0.0}}
        predictions.write(place, np.stack([np.full((N, C), 1 / C), row]), labels=LABELS, t=[0, 1], **said)
    read = made_up.results(tmp_path, (10,))
    ends = {name: read.sweep(name, (1,)).known for name in ("sure", "wrong", "none")}
    assert [ends[name]["accuracy"].item() for name in ("sure", "wrong")] == [1.0, 0.0]
    for name in ("sure", "wrong"):
        assert ends[name]["ignorance"].item() == pytest.approx(math.log(C) / 2, abs=1e-3)
    assert ends["none"]["ignorance"].item() == pytest.approx(0, abs=1e-6)


def test_networks_that_were_not_trained(tmp_path):
    known = [write(tmp_path, "variational_stripes-beta0.01", seed)[1] for seed in (10, 11)]
    found = made_up.results(tmp_path).untrained("stripes-beta{}", 0.01)
    for key in made_up.KEYS:
        assert found[key].tolist() == [known[0][key][0], known[1][key][0]]
    assert found["trace_of_all"].tolist() == [200 * x["trace"][0] for x in known]


@pytest.mark.parametrize("config", [{"label_noise": 0.25}, {}])
def test_a_course(tmp_path, config):
    there = [write(tmp_path, "point_course", seed, samples=60, config=config) for seed in (10, 11)]
    found = made_up.results(tmp_path).course("point_course")
    assert found.epochs.tolist() == T and found.samples == 60 and found.label_noise == config.get("label_noise", 0)
    assert found.steps.shape == (2, len(T) - 1) and found.length.shape == (2,)
    for i, (P, known) in enumerate(there):
        assert all(found[key][i].tolist() == known[key] for key in made_up.KEYS)
        assert found["accuracy"][i] == pytest.approx([accuracy(x) for x in P])
        assert found["trace_of_all"][i] == pytest.approx([60 * x for x in known["trace"]])
        steps = [d_B(a, b) for a, b in itertools.pairwise(P)]
        assert found.steps[i] == pytest.approx(steps, abs=2e-3)
        assert found.length[i] == pytest.approx(sum(2 * math.sqrt(x) for x in steps), rel=5e-3)  # as Riemann lengths


def test_what_follows_from_what_is_known():
    known = {"norm": [1.0, 2], "determinant": [3.0, 5], "trace": [0.5, 0], "noise": [0.25, math.inf]}
    found = derived({key: np.array(x) for key, x in known.items()}, 10)
    assert found["information"].tolist() == [4, 7] and found["trace_of_all"].tolist() == [5, 0]
    assert found["fineness"].tolist() == [2, -math.inf]


def test_what_is_missing_is_named(tmp_path):
    read = made_up.results(tmp_path)
    write(tmp_path, "point_course", 10)
    with pytest.raises(InputError, match=r"digits_all_point_course_information/preds_11\.h5 is missing; `make info"):
        read.course("point_course")
    with pytest.raises(InputError, match=r"digits_all_variational_beta0\.01-ln0_information/preds_10\.h5 is missing"):
        read.measured()
    with pytest.raises(InputError, match=r"fashion_all_variational_beta0\.001-ln0_information/preds_10\.h5 is missing"):
        made_up.results(tmp_path, size=FULL).measured()


@pytest.mark.parametrize("known", [None, "much", [1.0]])
def test_files_that_do_not_say_what_is_known(tmp_path, known):
    said = {} if known is None else {"known": known}
    path = tmp_path / "p" / "digits_all_point_course_information" / "preds_10.h5"
    predictions.write(path, made_up.models(3, "x"), labels=LABELS, t=T, **said)
    with pytest.raises(InputError) as raised:
        made_up.results(tmp_path).course("point_course")
    assert str(raised.value) == (
        f"{path} does not say what its networks know; delete it, and `make information` makes it"
    )


# Names of runs


def opened(monkeypatch, tmp_path, size, seeds):
    """Return the names of all files that are opened to measure, and what is measured of made-up ones."""
    names, folders = set(), Folders(tmp_path / "data", tmp_path / "c", tmp_path / "p")
    write(tmp_path, "point_course", 0)
    one = predictions.open_trajectory(folders.file("digits_all_point_course_information", 0))

    def instead(path):
        names.add((path.parent.name, path.name))
        return one

    monkeypatch.setattr(results.predictions, "open_trajectory", instead)
    monkeypatch.setattr(type(tmp_path), "exists", lambda path: True)
    read = results.Results(folders, seeds, size)
    found = read.measured()
    measured_of = set(names)
    picture.runs(read)  # which opens some of them again
    assert names == measured_of
    return names, found


def trained(name):
    """Return {(name of the file, its seed)} of all runs of a file of grids."""
    found = []
    for grid in grids.read(FOLDER / name):
        assert grid.store == "experiments.weight_information.02_predicting.store_information"
        dataset = grid.config.split("_")[0]
        for words in grid.combinations():
            said = dict(zip(words[1::2], words[2::2]))
            warm, variant = "_warm" if "--start" in said else "", said.get("--variant", "")
            run = f"{dataset}_all_{STAGES[grid.stage]}{warm}" + (f"_{variant}" if variant else "")
            found += [(Inspection().name(run), f"preds_{seed}.h5") for seed in grid.seed]
    assert len(found) == len(set(found))  # no run is there twice
    return set(found)


@pytest.mark.parametrize("name, size, seeds", SIZES)
def test_all_that_is_measured_is_trained_and_all_that_is_trained_is_measured(monkeypatch, tmp_path, name, size, seeds):
    names, found = opened(monkeypatch, tmp_path, size, seeds)
    assert names == trained(name)
    assert found.seeds == seeds


@pytest.mark.parametrize("name, size, seeds", SIZES)
def test_grids_have_the_settings_that_sizes_say(name, size, seeds):
    """A name says beta, label noise, N, the posterior, the nuisance and the batch; settings are what it says."""
    for grid in grids.read(FOLDER / name):
        assert set(grid.seed) == set(map(str, seeds)) and grid.task == ("all",)
        config = read_yaml(ROOT.joinpath(*grid.stage.split(".")[:-1], "configs", f"{grid.config}.yaml"))
        for words in grid.combinations():
            said = {**{f"--{key}": str(x) for key, x in config.items()}, **dict(zip(words[1::2], words[2::2]))}
            parts = said["--variant"].split("-")
            count = said["--training_images"]
            usual = STAGES[grid.stage] == "point" or int(count) == size.samples
            assert f"n{count}" in parts or f"ti{count}" in parts or usual
            for part in parts:
                if part in measured.NUISANCES:
                    assert said["--nuisance"] == part
                if part in measured.POSTERIORS:
                    assert said["--posterior"] == part
                for start, key in (("beta", "--beta"), ("ln", "--label_noise"), ("batch", "--batch_size")):
                    if part.startswith(start):
                        assert float(part.removeprefix(start)) == float(said[key])
            if "--start" in said:
                assert parts[0] == {"0": "right", "1": "random"}[said["--label_noise"]]
                assert said["--start"].endswith(f"-ln{said['--label_noise']}")
                assert (f"{said['--start']}_information", "preds_10.h5") in trained(name)
            else:
                assert not {"right", "random"} & set(parts)
        for each in grid.imprint:
            words = shlex.split(each)
            Inspection(**{key.removeprefix("--"): int(value) for key, value in zip(words[::2], words[1::2])})


@pytest.mark.parametrize("name, size, seeds", SIZES)
def test_warm_starts_and_bounds_have_what_they_are_compared_with(name, size, seeds):
    for _, noise, betas in size.again:
        assert set(betas) <= set(size.betas) and noise in (0, 1)
    assert set(size.few) <= set(size.betas) and set(size.partly).isdisjoint((0, 1))
    assert size.samples not in size.others and size.bounded[0] not in (size.samples, *size.others)


def test_all_of_small_files(tmp_path):
    """Each part of what is measured is of the runs that its name says."""
    for seed in (10, 11):
        for noise in (0, 1):
            for beta in SMALL.betas:
                write(tmp_path, f"variational_beta{beta:g}-ln{noise}", seed, label_noise=float(noise))
            for beta in SMALL.few:
                write(tmp_path, f"variational_n100-beta{beta:g}-ln{noise}", seed, 100, float(noise))
            write(tmp_path, f"variational_n1000-beta5-ln{noise}", seed, 1000, float(noise))
        for beta in (0.01, 1):
            write(tmp_path, f"variational_beta{beta:g}-ln0.25", seed, label_noise=0.25)
            for name in ("isotropic", "low_rank"):
                write(tmp_path, f"variational_{name}-beta{beta:g}", seed, label_noise=1.0)
            for name in ("position", "stripes"):
                write(tmp_path, f"variational_{name}-beta{beta:g}", seed)
        write(tmp_path, "variational_warm_random-beta1", seed, label_noise=1.0)
        write(tmp_path, "variational_warm_right-beta10", seed)
        for run in ("course", "batch16"):
            write(tmp_path, f"point_{run}", seed)
        for noise in (0, 0.25):
            write(tmp_path, f"point_ti100-ln{noise:g}", seed, 100, float(noise))
    found = made_up.results(tmp_path).measured()
    assert found.seeds == (10, 11) and list(found.by_noise) == [0, 0.25, 1]
    assert list(found.by_samples) == [(0, 100), (0, 200), (1, 100), (1, 200)]
    assert [x.label_noise for x in found.by_noise.values()] == [0, 0.25, 1]
    assert all((x.label_noise, x.samples) == key for key, x in found.by_samples.items())
    assert found.by_samples[1, 200] is found.by_noise[1]
    assert list(found.posteriors) == ["isotropic", "diagonal", "low_rank"]
    assert found.posteriors["diagonal"] is found.by_noise[1]
    assert list(found.conditions) == [(0, 200), (0.25, 200), (1, 200), (0, 100), (1, 100)]
    assert {noise: (x.label_noise, x.beta.tolist()) for noise, x in found.again.items()} == {1: (1, [1]), 0: (0, [10])}
    assert {noise: (x.samples, x.beta.tolist()) for noise, x in found.bounded.items()} == {
        noise: (1000, [5]) for noise in (0, 1)
    }
    assert list(found.nuisances) == list(found.untrained) == ["position", "stripes"]
    assert list(found.batches) == [16] and list(found.ordinary) == [(0, 100), (0.25, 100)]
    assert all((x.label_noise, x.samples) == key for key, x in found.ordinary.items())
    runs = {
        "variational_isotropic-beta1": found.posteriors["isotropic"]["kl"][:, 1],
        "variational_stripes-beta0.01": found.nuisances["stripes"]["kl"][:, 0],
        "variational_warm_right-beta10": found.again[0]["kl"][:, 0],
        "variational_n1000-beta5-ln1": found.bounded[1]["kl"][:, 0],
        "variational_n100-beta1-ln0": found.by_samples[0, 100]["kl"][:, 1],
        "point_batch16": found.batches[16]["kl"][:, -1],
        "point_ti100-ln0.25": found.ordinary[0.25, 100]["kl"][:, -1],
        "point_course": found.course["kl"][:, -1],
    }
    for run, values in runs.items():
        assert values.tolist() == [made_up.values(run, seed)["kl"][-1] for seed in (10, 11)], run
    position = [made_up.values("variational_position-beta0.01", seed)["kl"][0] for seed in (10, 11)]
    assert found.untrained["position"]["kl"].tolist() == position
