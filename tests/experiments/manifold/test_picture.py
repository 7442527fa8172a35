"""The picture of all seeds: which models are in it, how it is drawn, and what its page offers."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex

from experiments.manifold import picture, results
from experiments.manifold.measured import FACTORS, NETWORK, OPTIMISER
from experiments.manifold.parts import TRAINING
from info_geometry import distance, geodesic
from info_geometry.figures import page, style
from tests.experiments.manifold import generated
from tests.support.figures import drawn
from tests.support.pages import data_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return generated.sweep(tmp_path_factory.mktemp("sweep"), [results.GRID]).grid()[0]


@pytest.fixture(scope="module")
def found(runs):
    return picture.of(runs)


def test_all_models_of_all_seeds_are_in_it(runs, found):
    """Squared distances of few axes are nearly those of models, for points of the geodesic too."""
    x = found.embedding
    assert len(x.coordinates) == len(runs) * generated.T and set(x.index["seed"]) == set(generated.SEEDS)
    np.testing.assert_array_equal(x.index["progress"], np.concatenate([run.progress() for run in runs]))
    assert {*FACTORS, "error", "accuracy", "progress"} <= set(x.index)
    assert all(len(column) == len(x.coordinates) for column in x.index.values())
    labels = runs[0].parts[TRAINING].labels
    ends = geodesic.distances(runs[0].parts[TRAINING], labels, found.progress)[:, [0, -1]].T
    signs = np.where(x.imaginary[:3], -1, 1)
    for end, exact in zip(found.geodesic[[0, -1]], ends):
        near = (np.square(x.coordinates[: generated.T] - end) * signs).sum(axis=1)
        assert np.corrcoef(near, exact)[0, 1] > 0.95


def test_of_landmarks_it_is_the_same(runs, found):
    """Of more models than MOST, from the distances to some: distances in both pictures are nearly the same."""
    other = picture.of(runs, most=10, count=120)
    assert len(other.embedding.landmarks) == 120 and len(other.embedding.coordinates) == len(
        found.embedding.coordinates
    )
    share = np.bincount(other.embedding.landmarks // generated.T, minlength=len(runs))  # of each run of each seed
    assert set(share) <= {120 // len(runs), -(-120 // len(runs))}
    for a, b in ((found.embedding.coordinates, other.embedding.coordinates), (found.geodesic, other.geodesic)):
        A, B = (np.square(x[:, None] - x).sum(axis=2) for x in (a, b))
        assert np.corrcoef(A.ravel(), B.ravel())[0, 1] > 0.98


@pytest.mark.filterwarnings("error")
def test_figures(saved, tmp_path, found, runs):
    picture.figure(tmp_path, found)
    network, optimiser, error, progress, *_ = saved["picture"].axes
    x = found.embedding
    for ax in (network, optimiser):
        strands = ax.collections[0].get_segments()
        assert len(strands) == len(runs)
        ends = {tuple(np.round(s[-1], 9)) for s in strands}
        assert ends == {tuple(np.round(p, 9)) for p in x.coordinates[generated.T - 1 :: generated.T, :2]}
    colours = {tuple(c) for c in network.collections[0].get_colors()}
    assert len(colours) == 3 and len({tuple(c) for c in optimiser.collections[0].get_colors()}) == 2
    for ax, column in ((error, "error"), (progress, "progress")):
        dots = ax.collections[0]
        shown = {(*np.round(p, 9), round(v, 9)) for p, v in zip(dots.get_offsets().data, dots.get_array().data)}
        assert shown == {(*np.round(p, 9), round(v, 9)) for p, v in zip(x.coordinates[:, :2], x.index[column])}
    for ax, pair in zip(saved["picture_networks"].axes, ([0, 2], [1, 2])):
        assert drawn(ax, *found.geodesic[:, pair].T) and len(ax.collections[0].get_segments()) == len(runs)
    for figure in saved.values():
        figure.draw_without_rendering()


def test_a_run_has_the_colour_of_its_network(saved, tmp_path, found):
    picture.figure(tmp_path, found)
    lines, x = saved["picture"].axes[0].collections[0], found.embedding
    first = {tuple(np.round(p, 9)): level for p, level in zip(x.coordinates[:, :2], x.index[NETWORK])}
    pairs = {(first[tuple(np.round(s[-1], 9))], tuple(c)) for s, c in zip(lines.get_segments(), lines.get_colors())}
    assert len(pairs) == 3


def test_means_are_at_equal_progress():
    """Runs along one line at other speeds have that line as their mean, as far as half of them got."""
    fast, slow = np.linspace(0, 1, 5), np.linspace(0, 1, 9) ** 2 * 0.6
    points = [np.column_stack([p, 2 * p]) for p in (fast, slow)]
    middle = picture.middle_of(points, [fast, slow], 7)
    np.testing.assert_allclose(middle, np.linspace(0, 0.8, 7)[:, None] * [1, 2], atol=1e-12)
    aside = [points[0], points[1] + [0, 1]]  # which counts as far as it got
    grid = np.linspace(0, 0.8, 7)
    expected = np.column_stack([grid, 2 * grid + np.where(grid <= 0.6, 0.5, 0)])
    np.testing.assert_allclose(picture.middle_of(aside, [fast, slow], 7), expected, atol=1e-12)
    back = np.array([0, 0.4, 0.2, 0.6])  # where it goes back, it stays where it was
    (end,) = picture.middle_of([np.column_stack([back, back])], [back], 61)[-1:]
    np.testing.assert_allclose(end, [0.6, 0.6])
    assert picture.middle_of([points[0][:1]] * 2, [fast[:1]] * 2, 5).shape == (0, 2)
    assert picture.middle_of([], []).shape == (0, 2)


def test_the_page_gets_every_column(tmp_path, found, monkeypatch):
    given = {}
    monkeypatch.setattr(page, "write", lambda *args, **named: given.update(args=args, named=named) or [])
    picture.write_page(tmp_path, found)
    index, marks = given["args"][4], given["args"][6]
    assert {NETWORK, "optimiser", "batch size", "weight decay", "augmentation", "error", "progress"} <= set(index)
    np.testing.assert_array_equal(marks[1], found.geodesic)
    monkeypatch.undo()
    (path,) = picture.write_page(tmp_path, found)
    assert path.name == "inpca.html" and "plain_cnn" in path.read_text(encoding="utf-8")


def test_the_page_begins_with_networks_in_the_colours_of_the_figures(saved, tmp_path, found):
    (path,) = picture.write_page(tmp_path, found)
    data = data_of(path)[0]
    assert data["first"] == NETWORK
    picture.figure(tmp_path, found)
    x, columns = found.embedding, {column["key"]: column for column in data["columns"]}
    first = {tuple(np.round(p, 9)): i for i, p in enumerate(x.coordinates[:, :2])}
    for ax, factor in zip(saved["picture"].axes, (NETWORK, OPTIMISER)):
        lines = ax.collections[0]
        levels = [x.index[factor][first[tuple(np.round(s[-1], 9))]] for s in lines.get_segments()]
        shown = dict(zip(levels, (to_hex(colour) for colour in lines.get_colors())))
        assert dict(zip(columns[factor]["levels"], columns[factor]["colours"])) == shown


def test_widths_of_distances(runs, found):
    """The stress that is shown is that of all pairwise distances."""
    D = distance.pairwise([run.parts[TRAINING] for run in runs])
    x = found.embedding
    signs = np.where(x.imaginary[:3], -1, 1)
    near = (np.square(x.coordinates[:, None] - x.coordinates) * signs).sum(axis=2)
    centre = np.eye(len(D)) - 1 / len(D)
    W, rest = (-centre @ A @ centre / 2 for A in (D, D - near))
    stress = 1 - np.sqrt((rest**2).sum() / (W**2).sum())
    assert x.explained_stress(3) == pytest.approx(stress, abs=1e-3)
    assert style.stress_text(x.explained_stress(), 3) in picture._stress(found, (0, 1))


def test_what_goes_astray_is_outside_and_counted(saved, tmp_path, found, monkeypatch):
    """One model far away does not set the frame where there are many, and the figure says so."""
    assert not picture._outside(found, (0, 1, 2))  # of few models all are in it
    monkeypatch.setattr(picture, "FRAMED", 0.95)
    assert all(low < path.min() and path.max() < high for low, high, path in
               ((*picture.limits(found, axis), found.geodesic[:, axis]) for axis in range(3)))  # fmt: skip
    x = dataclasses.replace(found.embedding, coordinates=found.embedding.coordinates.copy())
    x.coordinates[7, 1] = 100.0
    far = dataclasses.replace(found, embedding=x)
    assert picture.limits(far, 1)[1] < 2 * picture.limits(found, 1)[1]
    low, high = np.array([picture.limits(far, axis) for axis in range(2)]).T
    count = ((x.coordinates[:, :2] < low) | (x.coordinates[:, :2] > high)).any(axis=1).sum()
    picture.figure(tmp_path, far)
    assert count and saved["picture"]._supxlabel.get_text().endswith(f"\n{count} models are outside the frame")
    for ax in saved["picture"].axes[:4]:
        np.testing.assert_allclose([ax.get_xlim(), ax.get_ylim()], np.array([low, high]).T)
