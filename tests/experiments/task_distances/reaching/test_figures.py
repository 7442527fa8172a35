"""What figures show: each number in its row and column, and each path from where it begins."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.task_distances.reaching import drawing, picture
from experiments.task_distances.reaching.drawing import heat_map, named, sure
from experiments.task_distances.reaching.reading import Files
from experiments.task_distances.sizes import QUICK
from experiments.task_distances.vectors import drawing as of_vectors
from info_geometry.figures import panels
from tests.experiments.task_distances.reaching.made_up import TASKS, write_all


@pytest.mark.parametrize("module", [drawing, of_vectors])
def test_what_figures_share_is_written_once(module):
    """What panels.py has, and is no name of a colour, is imported from there."""
    for name in {*vars(module)} & {"SEED", "LINE", "curve", "strands", "legend", "lettered", "mean", "plain", "ticks"}:
        assert getattr(module, name) is getattr(panels, name), name


@pytest.mark.parametrize("signed", [False, True])
def test_rows_are_learned_first_and_numbers_are_in_their_cells(signed):
    values = np.random.default_rng(0).normal(size=(7, 7)) * 50
    values[2, 3] = np.nan
    figure = Figure()
    ax = figure.subplots()
    heat_map(figure, ax, values, named(TASKS), "nats", 0, signed=signed)
    image = ax.images[0].get_array()
    np.testing.assert_allclose(image, values)
    if signed:
        low, high = ax.images[0].get_clim()
        assert low == -high == -np.nanmax(np.abs(values))
    shown = {tuple(map(int, text.get_position())): text.get_text() for text in ax.texts}
    assert len(shown) == 49 and shown[3, 2] == "–"
    for (column, row), text in shown.items():
        if np.isfinite(values[row, column]):
            assert float(text.replace("−", "-")) == pytest.approx(values[row, column], abs=0.5)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == named(TASKS)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == named(TASKS)


def test_what_is_sure_is_2_standard_errors_from_0():
    values = np.array([[1.0, -1, 0.1], [1.1, -1.2, -0.1], [0.9, -1.1, 0.05]])
    assert sure(values).tolist() == [True, True, False] and sure(values[:1]).all()


def test_paths_of_the_picture_begin_where_their_files_do(tmp_path):
    folders, _ = write_all(tmp_path, (0, 1), QUICK)
    files = Files(folders, (0, 1), QUICK)
    found = picture.draw(files)
    runs = picture.paths_of(files)
    assert runs["from scratch"] == "all_plain" and runs["after itself"] == "all_plain_from_all_plain"
    assert runs["after blur3"] == "all_plain_from_all_blur3" and runs["after a part"] == "all_plain_from_even_plain"
    assert found.names == tuple(runs)
    index = found.embedding.index
    for name in found.names:
        for seed in (0, 1):
            rows = found.where(name, seed)
            x = files.open(runs[name], seed)
            assert index["t"][rows].tolist() == list(x.t) and len(rows) == x.shape[0]
            last = np.square(x.select([x.shape[0] - 1]).roots(dtype=np.float64)[0])
            assert index["accuracy"][rows[-1]] == (last.argmax(axis=1) == x.labels).mean()
    truth, ignorance = (found.where(name)[0] for name in (picture.TRUTH, picture.IGNORANCE))
    assert index["accuracy"][truth] == 1
    assert found.embedding.coordinates[truth].tolist() != found.embedding.coordinates[ignorance].tolist()
