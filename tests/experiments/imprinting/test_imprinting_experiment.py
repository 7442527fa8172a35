"""The table of ways of imprinting, and the error with prototypes redrawn, on runs of digits."""

import re

import numpy as np
import pytest
import torch
import yaml

from experiments.imprinting import compare, redrawn
from info_geometry import distance, predictions, trajectory
from info_geometry.files import ROOT, InputError
from learning import grids, sweep


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imprinting")
    grid = {
        "stage": "supervised_imagenet.01_training.train_imagenet",
        "config": "digits",
        "task": ["all", "even"],
        "seed": [0, 1],
        "settings": {"epochs": 2, "warmup_epochs": 1, "checkpoints": 5},
        "imprint": ["", "--imprinting cosine --temperature fitted"],
    }
    (folder / "grid.yaml").write_text(yaml.safe_dump(grid))
    where = ["--checkpoints-folder", str(folder / "checkpoints"), "--predictions", str(folder / "predictions")]
    assert sweep.main([str(folder / "grid.yaml"), *where]) == 0
    return folder


def test_a_row_for_each_way(trained, capsys):
    compare.main([str(trained / "grid.yaml"), "--predictions", str(trained / "predictions")])
    head, *rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert head == list(compare.HEAD)
    assert [row[0] for row in rows] == [
        "imprinting",
        "cosine, scale 1, temperature fitted, at most 10000 training images",
    ]
    for suffix, row in zip(("", "_cosine_fitted"), rows):
        paths = [trained / "predictions" / f"digits_all{suffix}" / f"preds_{seed}.h5" for seed in (0, 1)]
        P = [predictions.open_trajectory(path).roots(dtype=np.float64) ** 2 for path in paths]
        moved = np.mean([distance.bhattacharyya(p[0], p[-1]) for p in P])
        assert float(row[3]) == pytest.approx(np.mean([trajectory.riemann_length(p) for p in P]), abs=0.01)
        assert float(row[4]) == pytest.approx(moved, abs=1e-3)
        assert float(row[5]) == pytest.approx(moved / np.log(np.sqrt(10)), abs=1e-3)
        assert len(row[6].split()) == 3


def test_missing_predictions_are_named(trained, tmp_path):
    with pytest.raises(InputError, match=r"digits_all/preds_0.h5 is missing; store it with"):
        compare.main([str(trained / "grid.yaml"), "--predictions", str(tmp_path)])


@pytest.mark.parametrize("name", ["digits", "fashion"])
def test_shipped_grids_name_ways_apart(name):
    (grid,) = grids.read(ROOT / "experiments" / "imprinting" / f"{name}.yaml")
    names = {compare.arguments.imprinting(text.split()).name for text in grid.imprint}
    assert len(names) == len(grid.imprint) == 10


def test_lengths_of_all_samples_are_those_of_the_stored_predictions(trained):
    every, labels, classes = [], None, 0
    for seed in (0, 1):
        features, labels, classes = redrawn.features_of(
            trained / "checkpoints" / "digits_all" / f"seed_{seed}", trained
        )
        every.append(features)
    paths = [trained / "predictions" / "digits_all" / f"preds_{seed}.h5" for seed in (0, 1)]
    expected = np.mean([trajectory.riemann_length(predictions.open_trajectory(path)) for path in paths])
    assert redrawn.lengths(every, labels, classes) == pytest.approx(expected, rel=2e-3)
    same = np.arange(len(labels))[::-1].copy()  # all samples, in another order: redrawing changes nothing
    assert redrawn.lengths(every, labels, classes, same, redraw=True) == pytest.approx(expected, rel=2e-3)


def test_errors_are_those_of_a_bootstrap(trained, capsys):
    where = ["--checkpoints-folder", str(trained / "checkpoints"), "--draws", "20"]
    redrawn.main(["digits_all", *where])
    out = capsys.readouterr().out
    fixed, again = map(float, re.findall(r"(0\.\d+) with prototypes", out))
    redrawn.main(["digits_all", *where, "--seeds", "1"])
    assert "digits_all, 1 seed, 20 draws" in capsys.readouterr().out
    assert "digits_all, 2 seeds, 20 draws" in out and 0 < fixed < 0.5 and 0 < again < 0.5
    features = [torch.randn(4, 300, 6), torch.randn(4, 300, 6)]
    labels = torch.arange(300) % 3
    one, other = redrawn.errors(features, labels, 3, 30)
    assert one == pytest.approx(redrawn.errors(features, labels, 3, 30)[0]) and one != other


def test_mistakes(tmp_path):
    for words, message in (
        (["digits_all"], "holds no run"),
        (["digits_all", "--seeds", "3"], "seed_3 does not hold all weights"),
        (["digits_all", "--draws", "1"], "--draws is 1"),
    ):
        with pytest.raises(InputError, match=message):
            redrawn.main([*words, "--checkpoints-folder", str(tmp_path)])
