"""Figures of the manifold: what is drawn where; they are drawn of one seed, of sections that are missing, of NaN."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from experiments.manifold import dendrogram, figures, more_figures
from experiments.manifold.drawing import networks
from experiments.manifold.factors import purity_of_chance
from experiments.manifold.measured import ALL, NETWORK, OPTIMISER, PERMUTED, WITHIN, Measured
from experiments.manifold.parts import EVALUATION, TRAINING
from info_geometry.figures import style
from tests.experiments.manifold import made_up_measured as made
from tests.support.figures import drawn

NAMES = [draw.__name__ for draw in figures.FIGURES]
SECTIONS = {"pictures", "paths", "means", "widths", "corners", "synthetic"}
OF = {"tubes": "paths", "dendrogram": "paths", "factors": "paths", "dimension": "pictures", "means": "means"}
OF |= {"tangents": "pictures", "corners": "corners", "sloppiness": "synthetic", "speed": "widths"}


def colour_of(ax, x, y):
    """Return the colours of the lines of these points."""
    return {to_hex(line.get_color()) for line in ax.lines
            if len(line.get_xdata()) == len(x) and np.allclose(np.array(line.get_data(), float), [x, y])}  # fmt: skip


def without_numbers(x):
    """Return what was measured with NaN in place of all floats but those of axes."""
    if dataclasses.is_dataclass(x):
        keep = ("grid", "widths", "counts", "at", "level", "p", "test", "nearest", "left_out")
        fields = {f.name: getattr(x, f.name) for f in dataclasses.fields(x) if f.name not in keep}
        return dataclasses.replace(x, **{name: without_numbers(value) for name, value in fields.items()})
    if isinstance(x, dict):
        return {key: without_numbers(value) for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(without_numbers(value) for value in x)
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return np.full(x.shape, np.nan)
    return float("nan") if isinstance(x, float) else x


@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_files_are_written(tmp_path, draw):
    written = draw(tmp_path, made.measured())
    assert [path.name for path in written] == [f"{draw.__name__}.png", f"{draw.__name__}.pdf"]
    image = imread(written[0])
    assert image.shape[1] == int(style.PAGE * style.DPI) and np.ptp(image) > 0.5 and written[1].stat().st_size > 3000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "found",
    [made.measured(1), without_numbers(made.measured()), made.measured(evaluation=None)],
    ids=["one seed", "nothing but NaN", "no evaluation images"],
)
@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_of_little(saved, tmp_path, draw, found):
    assert isinstance(found, Measured)
    draw(tmp_path, found)
    saved[draw.__name__].draw_without_rendering()


@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_what_was_not_measured_is_not_drawn(saved, tmp_path, draw):
    """A figure is left out with its section, and with no other."""
    own = OF[draw.__name__]
    assert draw(tmp_path, made.measured(**{own: None})) == [] and not saved
    assert draw(tmp_path, made.measured(**dict.fromkeys(SECTIONS - {own})))


def test_tubes(saved, tmp_path):
    found = made.measured()
    paths = found.paths
    own = {name: k + 1.0 for k, name in enumerate(made.NETWORKS)}
    scale = np.array([own[name] for name in paths.table[NETWORK]])[None, :, None]
    curves = {name: getattr(paths, name) * scale for name in ("others", "everyone", "geodesic")}
    found = dataclasses.replace(found, paths=dataclasses.replace(paths, **curves))
    figures.tubes(tmp_path, found)
    *axes, ratios = saved["tubes"].axes
    for ax, name in zip(axes, curves):
        for network, times in own.items():
            y = times * getattr(paths, name)[:, 0].mean(axis=0)
            assert colour_of(ax, paths.grid, y) == {networks(made.NETWORKS)[network]["color"].lower()}, (name, network)
    assert drawn(ratios, [paths.ratio.mean()], [0])
    assert drawn(ratios, paths.alike.mean(axis=1), np.ones(9)) and drawn(
        ratios, paths.random.mean(axis=1), 2 * np.ones(9)
    )


def test_dendrogram(saved, tmp_path):
    """Three networks far apart: three branches of one colour each, leaves of a network side by side."""
    found = made.measured()
    levels = found.paths.table[NETWORK]
    rng = np.random.default_rng(0)
    points = rng.standard_normal((made.K, 2)) + 50 * np.searchsorted(made.NETWORKS, levels)[:, None]
    D = np.square(points[:, None] - points).sum(axis=2)
    paths = dataclasses.replace(found.paths, distances=np.stack([D] * 3), snapshot=np.stack([2 * D] * 3))
    figures.dendrogram(tmp_path, dataclasses.replace(found, paths=paths))
    whole, below, snapshot, _ = saved["dendrogram"].axes
    colours = {name: look["color"] for name, look in dendrogram.looks_of(NETWORK, levels).items()}
    for ax, times in ((whole, 1), (snapshot, 2)):
        (branches,) = ax.collections
        shown = [to_hex(color) for color in branches.get_colors()]
        assert len(shown) == made.K - 1 and shown.count(to_hex(dendrogram.MIXED)) == 2
        for name, color in colours.items():
            own = D[np.ix_(levels == name, levels == name)]
            heights = [s[:, 1].max() for s, c in zip(branches.get_segments(), shown) if c == to_hex(color)]
            assert max(heights) == pytest.approx(times * own.max()), "complete linkage joins the two furthest last"
    order = [np.asarray(mesh.get_array(), int).ravel() for mesh in below.collections]
    assert len(order) == 5 and (np.diff(order[0]) != 0).sum() == 2
    assert np.bincount(order[0]).tolist() == [8, 8, 8] and np.bincount(order[1]).tolist() == [12, 12]
    permuted = purity_of_chance(D, levels)
    assert permuted < 0.6
    for ax in (whole, snapshot):
        assert f"purity 1.00 (networks permuted {permuted:.2f})" in ax.get_title(loc="left")


def test_leaves_that_are_missing_are_left_out(saved, tmp_path):
    found = made.measured()
    D = found.paths.distances.copy()
    D[:, 3], D[:, :, 3] = np.nan, np.nan
    paths = dataclasses.replace(found.paths, distances=D, snapshot=D)
    figures.dendrogram(tmp_path, dataclasses.replace(found, paths=paths))
    assert [len(ax.collections[0].get_segments()) for ax in saved["dendrogram"].axes[::2]] == [made.K - 2] * 2
    assert saved["dendrogram"].axes[1].collections[0].get_array().size == made.K - 1


def test_factors(saved, tmp_path):
    found = made.measured()
    figures.factors(tmp_path, found)
    share, ratio, near = saved["factors"].axes
    assert drawn(share, [70], [-0.15]) and drawn(share, [5], [1 - 0.15]) and drawn(share, [70], [0.15])
    assert drawn(share, [1], [-0.15]) and drawn(share, [1], [1.15]), "levels permuted"
    assert drawn(ratio, [3], [-0.15]) and drawn(ratio, [0.98], [1.15]) and drawn(ratio, [1.02], [-0.15])
    assert drawn(near, [1], [-0.15]) and drawn(near, [made.CHANCES[NETWORK]], [-0.15])
    assert drawn(near, [made.CHANCES[OPTIMISER]] * 3, [0.85] * 3), "seeds"
    assert [text.get_text() for text in share.get_yticklabels()][:2] == [NETWORK, OPTIMISER]


def test_dimension(saved, tmp_path):
    found = made.measured()
    figures.dimension(tmp_path, found)
    stress, alike = saved["dimension"].axes
    for what in (TRAINING, EVALUATION, PERMUTED, WITHIN):
        each = [x.stress[what] for x in found.pictures]
        for y in (*each, np.mean(each, axis=0)):
            assert drawn(stress, range(1, len(y) + 1), y), what
    assert drawn(alike, [0.98], [0]) and drawn(alike, [0.98], [1])
    assert drawn(alike, np.tile(np.linspace(0.7, 0.8, 9), 3), np.zeros(27)), "whole runs exchanged"


def test_tangents(saved, tmp_path):
    found = made.measured()
    figures.tangents(tmp_path, found)
    for k, ax in enumerate(saved["tangents"].axes):
        for place, name in enumerate((ALL, *networks(made.NETWORKS))):
            full, four = (np.mean([getattr(x, what)[name][k] for x in found.pictures]) for what in ("full", "four"))
            assert drawn(ax, [full], [place - 0.16]) and drawn(ax, [four], [place + 0.16])


def test_means(saved, tmp_path):
    found = made.measured()
    figures.means(tmp_path, found)
    progress, error, gain, last = saved["means"].axes
    x = found.means
    for k, kind in enumerate(x.progress):
        assert drawn(progress, [0, 20], x.progress[kind].mean(axis=0))
        assert drawn(error, [0, 20], 100 * x.error[kind].mean(axis=0))
        own = x.table[NETWORK] == "fc"
        place = -0.3 + 0.12 * k
        assert drawn(gain, [place], [(x.progress[kind] - x.progress["arithmetic"])[own, -1].mean()])
        assert drawn(last, [place] * 2, 100 * x.error[kind][own, -1])
    assert drawn(progress, [0, 20], x.single["progress"].mean(axis=0))


def test_corners(saved, tmp_path):
    found = made.measured()
    kinds = {kind: dataclasses.replace(x, distances=(k + 1) * x.distances, at=x.at)
             for k, (kind, x) in enumerate(found.corners.items())}  # fmt: skip
    figures.corners(tmp_path, dataclasses.replace(found, corners=kinds))
    by_progress, ends = saved["corners"].axes
    for kind, corner in kinds.items():
        assert drawn(by_progress, made.GRID, corner.distances.mean(axis=0)) == kind.startswith("random")
    assert drawn(by_progress, made.GRID, kinds["few200"].width.mean(axis=0))
    x = kinds["random0"]
    joined = made.GRID[(x.distances.mean(axis=0) <= 2 * x.width.mean(axis=0))][0]
    assert drawn(by_progress, [joined], x.distances.mean(axis=0)[np.isclose(made.GRID, joined)])
    assert [text.get_text() for text in ends.get_yticklabels()][2:] == [
        "random labels, 2",
        "200 images",
        "2,000 images",
    ]
    for place in range(5):
        assert drawn(ends, [5], [place - 0.14]) and drawn(ends, [1.2], [place + 0.14])
    assert more_figures._name("few_of_each") == "few_of_each"


def test_sloppiness(saved, tmp_path):
    found = made.measured()
    figures.sloppiness(tmp_path, found)
    axes, counts, gap = saved["sloppiness"].axes
    x = found.synthetic
    for name in ("sloppy", "flat"):
        assert drawn(counts, [1, 10], x.stress[name].mean(axis=0))
        assert drawn(axes, range(1, 11), x.axes[name].mean(axis=0)) and drawn(axes, range(1, 11), x.axes[name][0])
    assert drawn(gap, [0.1], [0]) and drawn(gap, [0.1], [1]) and drawn(gap, x.bootstrap, [2] * 20)


def test_speed(saved, tmp_path):
    found = made.measured()
    figures.speed(tmp_path, found)
    progress, steps, apart = saved["speed"].axes
    x = found.widths
    for times, y in zip(x.times, x.progress):
        assert drawn(progress, times[0], y.mean(axis=0))
    assert drawn(steps, x.widths, x.steps.mean(axis=1))
    line = next(l for l in steps.lines if l.get_linestyle() == "--").get_ydata()
    assert np.log(line[-1] / line[0]) / np.log(x.widths[-1] / x.widths[0]) == pytest.approx(x.exponent)
    values = apart.images[0].get_array()
    np.testing.assert_allclose(values, x.ratio.mean(axis=2))
    assert {text.get_text() for text in apart.texts} == {"1.3", "1.0"}
