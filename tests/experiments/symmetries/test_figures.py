"""Figures of symmetries: what is drawn where, read back from the figure; they are drawn of one pair, and of NaN."""

import dataclasses

import numpy as np
import pytest
from matplotlib.image import imread

from experiments.symmetries import figures, groups, network_figures
from experiments.symmetries import measured as m
from experiments.symmetries.drawing import POINTS
from info_geometry.figures import style
from tests.experiments.symmetries.made_up_measured import CHANNELS, LINES, WIDTHS, measured

NAMES = [draw.__name__ for draw in figures.FIGURES]


def lines(ax):
    """Return x and y of what is drawn as lines, or as dots."""
    return [np.array(line.get_data(), float) for line in ax.lines if len(np.atleast_1d(line.get_xdata())) > 1]


def drawn(ax, x, y):
    """Return whether there is a line of these points."""
    return any(np.shape(line[0]) == np.shape(x) and np.allclose(line, [x, y]) for line in lines(ax))


def shows(ax, y):
    """Return whether there are dots or a line of these values."""
    return any(np.shape(line[1]) == np.shape(y) and np.allclose(line[1], y) for line in lines(ax))


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def without_numbers(x):
    """Return what was measured with NaN in place of all floats."""
    if dataclasses.is_dataclass(x):
        same = "values", "t"  # of settings
        return dataclasses.replace(
            x,
            **{f.name: without_numbers(getattr(x, f.name)) for f in dataclasses.fields(x) if f.name not in same},
        )
    if isinstance(x, dict):
        return {key: without_numbers(value) for key, value in x.items()}
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return np.full(x.shape, np.nan)
    return x


def test_figures_are_all_there_is():
    made = {name for module in (figures, network_figures) for name, x in vars(module).items() if _draws(x, module)}
    assert made == set(NAMES) and len(NAMES) == 15


def _draws(x, module):
    return callable(x) and getattr(x, "__module__", "") == module.__name__ and not x.__name__.startswith("_")


@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_files_are_written(tmp_path, draw):
    written = draw(tmp_path, measured())
    assert [path.name for path in written] == [f"{draw.__name__}.png", f"{draw.__name__}.pdf"]
    image = imread(written[0])
    wide = style.COLUMN if draw is network_figures.gelu else style.PAGE
    assert image.shape[1] == int(wide * style.DPI) and np.ptp(image) > 0.5 and written[1].stat().st_size > 3000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("found", [measured(1), without_numbers(measured())], ids=["one pair", "nothing but NaN"])
@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_of_little(saved, tmp_path, draw, found):
    draw(tmp_path, found)
    saved[draw.__name__].draw_without_rendering()


def test_stitching(saved, tmp_path):
    found = measured()
    figures.stitching(tmp_path, found)
    axes = saved["stitching"].axes
    assert [ax.get_title() for ax in axes] == [f"layer {k}, {n} channels" for k, n in enumerate(CHANNELS, 1)]
    rows = labels(axes[0].yaxis)
    assert rows[:3] == [m.ANY, m.FITTED_ROTATION, m.G_RELU] and rows[-1] == m.NOISE and len(rows) == 16
    for layer, ax in enumerate(axes):
        assert ax.get_xscale() == "symlog" and set(ax.get_xticks()) <= set(POINTS)
        for name in (m.ANY, m.RANK_1, m.IDENTITY, m.UNTRAINED):
            values = found.kinds[name].penalty[:, layer]
            assert any(np.shape(x) == values.shape and np.allclose(x, values) for x, _ in lines(ax))
        low, high = ax.get_xlim()
        assert all(low < x.min() and x.max() < high for x, _ in lines(ax))


def test_transformed_rounding_residual(saved, tmp_path):
    found = measured()
    for draw in (figures.transformed, figures.rounding, figures.residual):
        draw(tmp_path, found)
    ax = saved["transformed"].axes[0]
    assert labels(ax.xaxis) == [f"before activation {k}" for k in (1, 2, 3)]
    assert all(shows(ax, values[:, 2]) for values in found.transformed.values())
    ax = saved["rounding"].axes[0]
    assert all(shows(ax, x.penalty[:, 1]) for x in (found.soft, found.hard, found.soft_statistics))
    ax = saved["residual"].axes[0]
    assert len(labels(ax.xaxis)) == 10 and ax.get_yscale() == "symlog"
    assert all(shows(ax, x.penalty[:, 9]) for x in found.residual.values())


def test_lasso(saved, tmp_path):
    found = measured()
    figures.lasso(tmp_path, found)
    for layer, ax in enumerate(saved["lasso"].axes):
        left = CHANNELS[layer] * (1 - found.strengths.sparsity[:, :, layer])
        assert drawn(ax, left.ravel(), found.strengths.penalty[:, :, layer].ravel())
        ends = {a.get_xdata()[0]: a.get_ydata()[0] for a in ax.lines if len(a.get_xdata()) == 1}
        means = (found.kinds[name].penalty[:, layer].mean() for name in (m.G_RELU, m.ANY))
        assert ends == pytest.approx(dict(zip((1, CHANNELS[layer]), means)))


def test_alpha(saved, tmp_path):
    found = measured()
    figures.alpha(tmp_path, found)
    axes = saved["alpha"].axes
    assert labels(axes[0].xaxis) == ["0", "0.1", "0.3", "1", "3", "10"]
    assert drawn(axes[0], range(5), found.alphas.saturation[:, :, 0].mean(axis=0))
    shared = found.alphas.saturation[:3, 0, 0].mean()
    assert drawn(axes[0], [0, 1, 3, 5], [shared, *found.published.saturation[:, :, 0].mean(axis=0)])
    for layer, ax in enumerate(axes[6:]):
        counts = [(found.chosen[:, layer] == value).sum() for value in found.alphas.values]
        assert [bar.get_height() for bar in ax.patches] == counts


def test_widths(saved, tmp_path):
    found = measured()
    figures.widths(tmp_path, found)
    axes = saved["widths"].axes
    for layer in range(3):
        for name in (m.ANY, m.G_RELU, m.MATCHED):
            assert drawn(axes[layer], WIDTHS, [found.widths[w][name].penalty[:, layer].mean() for w in WIDTHS])
        for name in m.METRICS[:2]:
            assert drawn(axes[3 + layer], WIDTHS, [found.similar[w][name][:, layer].mean() for w in WIDTHS])


def test_similarity(saved, tmp_path):
    found = measured()
    network_figures.similarity(tmp_path, found)
    left, first, second, _ = saved["similarity"].axes
    assert all(shows(left, x.mean(axis=0)) for x in found.similar[48].values())
    for ax, name in ((first, "wreath CKA"), (second, "linear CKA")):
        assert ax.get_title() == name
        values = found.maps[name].mean(axis=0)
        assert [text.get_text() for text in ax.texts] == [f"{x:.2f}" for x in values.ravel()]


def test_gelu(saved, tmp_path):
    network_figures.gelu(tmp_path, measured())
    ax = saved["gelu"].axes[0]
    scales, defects = lines(ax)[0]
    assert (scales[0], scales[-1]) == (0, 3) and defects == pytest.approx(groups.gelu_defect(scales))
    texts = [text.get_text() for text in ax.texts]
    assert texts[1:] == ["local maximum\n0.0726 at 0.389", "0 at 1", "0.1767 at 2"] and "0.1268" in texts[0]


def test_planted(saved, tmp_path):
    found = measured()
    found.unchanged["residual"]["symmetry"]["change"][:] = 0  # what a logarithmic axis has no place for
    network_figures.planted(tmp_path, found)
    ax = saved["planted"].axes[0]
    assert labels(ax.yaxis) == list(LINES) and ax.get_xscale() == "log"
    dots = [np.array(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 3]
    assert min(x.min() for x in dots) > ax.get_xlim()[0] and max(x.max() for x in dots) == pytest.approx(0.7)


def test_lines(saved, tmp_path):
    found = measured()
    network_figures.lines(tmp_path, found)
    axes = saved["lines"].axes
    assert [ax.get_title() for ax in axes[:4]] == ["width 48", "no batch norm", "residual", "transformer"]
    for ax in axes[:4]:
        assert all(drawn(ax, x.t, x.nll.mean(axis=0)) for x in found.lines[ax.get_title()].values())
    for way in (m.BEFORE, m.ALIGNED):
        assert drawn(axes[4], WIDTHS, [found.lines[f"width {w}"][way].barrier.mean() for w in WIDTHS])


def test_barrier(saved, tmp_path):
    found = measured()
    network_figures.barrier(tmp_path, found)
    left, right = saved["barrier"].axes
    for ax, way in ((left, m.ALIGNED), (right, m.BEFORE)):
        for width in WIDTHS:
            x, y = found.similar[width][m.WREATH].mean(axis=1), found.lines[f"width {width}"][way].barrier
            assert drawn(ax, x, y)


def test_zoo(saved, tmp_path):
    found = measured()
    network_figures.zoo(tmp_path, found)
    axes = saved["zoo"].axes
    assert [ax.get_title().split("\n")[0] for ax in axes] == list(m.METRICS)
    assert all(ax.get_title().endswith("Mantel 1.00, p = 1e-05") for ax in axes)
    assert len(lines(axes[0])[0][0]) == 14 * 13 / 2


def test_depth(saved, tmp_path):
    found = measured()
    network_figures.depth(tmp_path, found)
    left, right = saved["depth"].axes
    for ax, names in ((left, (m.ANY, m.RANDOM_PERMUTATION)), (right, (m.ANY,))):
        for name in names:
            x = found.kinds[name]
            assert drawn(ax, x.to_sender.mean(axis=0), x.to_receiver.mean(axis=0))
        assert ax.get_xlim() == ax.get_ylim()
    far = found.kinds[m.RANDOM_PERMUTATION]
    assert not drawn(right, far.to_sender.mean(axis=0), far.to_receiver.mean(axis=0))


def test_dissection(saved, tmp_path):
    found = measured()
    network_figures.dissection(tmp_path, found)
    for ax, layer, channels in zip(saved["dissection"].axes, found.layers, CHANNELS):
        x = found.dissection[layer]["class"]
        assert shows(ax, 100 * x["turned"].mean(axis=(0, 2)) / channels)
        assert shows(ax, [100 * x["own"].mean() / channels] * 2)
