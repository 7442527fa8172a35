"""From runs of digits to tables and figures; and what is read against what is computed directly."""

import numpy as np
import pytest

from experiments.task_distances import distances, embedding
from experiments.task_distances.sizes import FULL, QUICK
from experiments.task_distances.vectors import claims, figures, measured, section
from info_geometry import distance, predictions, trajectory
from info_geometry.files import InputError
from learning.runs.run import Folders
from tests.experiments.task_distances.vectors import made_up
from tests.support.stages import done

SWEEP, GRID = "learning/sweep.py", "experiments/task_distances/vectors_quick.yaml"
SEED = 10


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The runs of the quick grid, trained for a few epochs; for reading only."""
    found = tmp_path_factory.mktemp("quick")
    done(SWEEP, found, GRID, "--set", "epochs=12", "warmup_epochs=0.5", "training_images=200")
    return Folders(checkpoints=found / "checkpoints", predictions=found / "predictions")


def test_all_claims_tables_and_figures_of_digits(folders, tmp_path):
    found = section.section(folders, (SEED,), QUICK, tmp_path, verdicts=False)
    assert len(found.rows) == 2 + len(claims.CLAIMS) and all("not asked" in row for row in found.rows[2:])
    assert len(found.written) == 2 * len(figures.FIGURES) and all(path.stat().st_size > 1000 for path in found.written)
    assert len(found.tables) == 3 and "0,1" in found.tables[1] and "kappa" in found.tables[2]


def test_what_is_read_is_what_files_say(folders):
    found = measured.read(folders, (SEED,), QUICK)
    assert found.vectors.keys() == {*measured.METHODS, "half"} and not found.variational
    assert found.along.shape == found.ends.shape == (1, 8, 8) and len(found.known[0]) == 8
    path = folders.predictions / "digits_all_plain_probe_vectors" / f"seed_{SEED}"
    own = [
        embedding.read(next(path.glob("exact-images80-samples60/" + name)))
        for name in ("all_plain.npz", "odd_plain.npz")
    ]
    k = found.index("all", "odd")
    assert found.by()[0, k[0], k[1]] == pytest.approx(distances.cosine(own[0].vector, own[1].vector))
    assert set(found.of_classes) == {"Jaccard", "number of classes"} and found.places is None
    half = found.vectors["half"][0][0]
    assert half.probe.startswith("digits_low_plain_probe") and own[0].probe.startswith("digits_all_plain_probe")


def test_distances_between_networks_are_those_of_direct_loops(folders):
    """At equal progress, by interpolation of the two trajectories at each value of the grid that both reach."""
    found = measured.read(folders, (SEED,), QUICK)
    i, j = max(zip(*np.triu_indices(8, 1)), key=lambda pair: np.nan_to_num(found.along[0][pair]))
    names = [f"digits_{found.words[k].name}" for k in (i, j)]
    runs = [predictions.open_trajectory(folders.file(f"{name}_cosine_x10", SEED)) for name in names]
    P = [np.square(x.roots(dtype=np.float64)) for x in runs]
    assert found.ends[0, i, j] == pytest.approx(distance.bhattacharyya(P[0][-1], P[1][-1]), abs=1e-9)
    progress = [trajectory.summarise(p, runs[0].labels).progress for p in P]
    low, high = max(p[0] for p in progress), min(p.max() for p in progress)
    grid = trajectory.GRID[(low <= trajectory.GRID) & (high >= trajectory.GRID)]
    assert len(grid) > 1
    Q = [trajectory.reindex(p, s, grid) for p, s in zip(P, progress)]
    curve = np.array([distance.bhattacharyya(a, b) for a, b in zip(*Q)])
    assert found.along[0, i, j] == pytest.approx((curve[1:] + curve[:-1]).mean() / 2, rel=1e-3)
    assert np.array_equal(found.together, found.along[0], equal_nan=True)


def test_figures_of_several_seeds(tmp_path):
    made = made_up.measured()
    written = [path for draw in figures.FIGURES for path in draw(tmp_path, made)]
    assert len(written) == 2 * len(figures.FIGURES)
    table = section.agreements(made)
    assert table.count("\n| ") == 2 + len(made.every()) and "nan" not in table


def test_files_that_are_missing_are_named(tmp_path):
    with pytest.raises(InputError, match=r"exact/all_plain.npz is missing; `make tasks` makes it"):
        measured.read(Folders(predictions=tmp_path), (10,), FULL)
    with pytest.raises(
        InputError, match=r"exact-images80-samples60/all_plain.npz is missing; `make tasks-quick` makes it"
    ):
        measured.read(Folders(predictions=tmp_path), (10,), QUICK)
