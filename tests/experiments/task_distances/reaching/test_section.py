"""From files to tables and figures, of made-up files; and whether the grids train what is measured."""

import dataclasses
import re

import numpy as np
import pytest

from experiments.task_distances.config import TaskConfig
from experiments.task_distances.reaching import paths
from experiments.task_distances.reaching.claims import CLAIMS
from experiments.task_distances.reaching.reading import read
from experiments.task_distances.reaching.section import section
from experiments.task_distances.sizes import FULL, QUICK
from experiments.task_distances.training import Learning
from info_geometry import distance, predictions
from info_geometry.files import ROOT, InputError
from learning import config as configs
from learning import grids, tasks
from tests.experiments.task_distances.reaching.made_up import ALIKE, write_all

FOLDER = ROOT / "experiments" / "task_distances"
SMALL = dataclasses.replace(
    QUICK,
    pairs=("all", "even", "all:flip", "all:blur3", "all:random_labels"),
    reach=("all", "all:flip", "all:blur3", "all:random_labels"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of made-up files of two seeds; for reading only."""
    return write_all(tmp_path_factory.mktemp("made"), (0, 1), SMALL)[0]


def test_section_has_all_claims_and_its_figures(made, tmp_path):
    found = section(made, (0, 1), SMALL, tmp_path)
    assert len(found.rows) == 2 + len(CLAIMS) and all("| **" in row for row in found.rows[2:])
    assert not [row for row in found.rows if re.search(r"\bnan\b", row)]
    names = {path.name for path in found.written}
    figures = "asymmetric", "gaps", "times", "near_and_far", "paths", "paths_of_perceptrons"
    assert names == {f"reaching_{name}.{kind}" for name in figures for kind in ("png", "pdf")} | {"inpca.html"}
    assert all(path.exists() for path in found.written)
    assert "| all | " in found.tables[0]


def test_one_seed_without_verdicts(made, tmp_path):
    found = section(made, (0,), SMALL, tmp_path, verdicts=False)
    assert all("not asked (quick)" in row for row in found.rows[2:])
    assert not any(verdict in row for row in found.rows for verdict in ("**holds", "**does not", "**undecided"))


def test_rows_are_learned_first(made):
    found = read(made, (0, 1), SMALL)
    words = list(SMALL.pairs)
    for seed, a, b in ((0, "all", "even"), (1, "all:flip", "all"), (1, "even", "all:random_labels")):
        names = {"all": "all_plain", "even": "even_plain", "all:flip": "all_flip", words[4]: "all_random_labels"}

        def open_(name, seed=seed):
            return predictions.open_trajectory(made.file(f"digits_{name}_known", seed))

        i, j = words.index(a), words.index(b)
        x = open_(f"{names[b]}_from_{names[a]}")
        said, reached = x.attributes, found.reached
        random = b == "all:random_labels"
        after = said["known"]["training_accuracy"][-1] if random else said["end"]["accuracy"]
        assert reached.after[seed, i, j] == after
        assert reached.norm[seed, i, j] == said["information"]["conditional_norm"]
        assert reached.length[seed, i, j] == paths.path(x, x.t, x.labels).length
        long = open_(f"{names[b]}_long").attributes
        longer = long["known"]["training_accuracy"][-1] if random else long["end"]["accuracy"]
        assert reached.gap[seed, i, j] == pytest.approx(longer - after)
        both = open_("_and_".join(names[word] for word in sorted((a, b), key=words.index))).attributes
        alone = open_(names[a]).attributes
        expected = both["information"]["determinant"] - alone["information"]["determinant"]
        assert found.distances["A"].values[seed, i, j] == pytest.approx(expected)
        ends = [np.square(open_(names[word]).select([5]).roots(dtype=np.float64)[0]) for word in (a, b)]
        assert reached.static[seed, i, j] == pytest.approx(distance.bhattacharyya(*ends), abs=1e-6)
    assert (found.distances["B"].values < 20).all()  # heads, of 100 nats, are left out


def test_file_that_is_missing_is_said(made, tmp_path):
    with pytest.raises(InputError, match=r"digits_.*_known/preds_7\.h5 is missing; `make tasks-quick` makes it"):
        section(made, (7,), SMALL, tmp_path)


@pytest.mark.parametrize("size, file", [(FULL, "reaching.yaml"), (QUICK, "reaching_quick.yaml")], ids=["full", "quick"])
def test_grids_train_what_is_measured(size, file, tmp_path):
    """Each run once, and none besides; the names are those that stage 1 gives."""
    trained = []
    for grid in grids.read(FOLDER / file, [0]):
        assert grid.store.endswith("store_known")
        for words in grid.runs():
            given = dict(zip((word[2:] for word in words[1::2]), words[2::2]))
            own = {key: given.pop(key, None) for key in ("start", "also")}
            task, variant, _ = given.pop("task"), given.pop("variant", ""), given.pop("seed")
            path = FOLDER / "01_training" / "configs" / f"{words[0]}.yaml"
            config = configs.read(path, TaskConfig, given.items())
            name = Learning(**own).name(tasks.load(size.dataset, task), config)
            trained.append((name + (f"_{variant}" if variant else "")).removeprefix(f"{size.dataset}_"))
    assert len(trained) == len(set(trained))
    few = dataclasses.replace(size, dataset="digits") if size == QUICK else size
    _, measured = write_all(tmp_path, (0,), few, ALIKE)
    assert set(trained) == {re.sub(f"^{size.dataset}_", "", name) for name in measured}
