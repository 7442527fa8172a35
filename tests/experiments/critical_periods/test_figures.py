"""Figures of critical periods: what is drawn where; they are drawn of one seed, and of NaN."""

import dataclasses

import numpy as np
import pytest
from matplotlib.image import imread

from experiments.critical_periods import figures, picture
from experiments.critical_periods.measured import NONE, Key, Measured
from info_geometry import inpca
from info_geometry.figures import style
from tests.experiments.critical_periods.made_up_measured import BLUR, EPOCHS, measured
from tests.support.figures import drawn

NAMES = [draw.__name__ for draw in figures.FIGURES]


def without_numbers(x):
    """Return what was measured with NaN in place of all floats but settings."""
    if dataclasses.is_dataclass(x):
        fields = {f.name: getattr(x, f.name) for f in dataclasses.fields(x) if f.name not in ("epochs", "progress")}
        return dataclasses.replace(x, **{name: without_numbers(value) for name, value in fields.items()})
    if isinstance(x, dict):
        return {key: without_numbers(value) for key, value in x.items()}
    return np.full(x.shape, np.nan) if isinstance(x, np.ndarray) else x


@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_files_are_written(tmp_path, draw):
    written = draw(tmp_path, measured())
    assert [path.name for path in written] == [f"{draw.__name__}.png", f"{draw.__name__}.pdf"]
    image = imread(written[0])
    assert image.shape[1] == int(style.PAGE * style.DPI) and np.ptp(image) > 0.5 and written[1].stat().st_size > 3000


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "found",
    [measured(1, tubes={}), without_numbers(measured()), dataclasses.replace(measured(2), tubes={})],
    ids=["one seed", "nothing but NaN", "no tubes"],
)
@pytest.mark.parametrize("draw", figures.FIGURES, ids=NAMES)
def test_of_little(saved, tmp_path, draw, found):
    assert isinstance(found, Measured)
    draw(tmp_path, found)
    saved[draw.__name__].draw_without_rendering()


def accuracy(found, *keys):
    return [100 * found.conditions[Key(*key)].accuracy.mean() for key in keys]


def test_removal(saved, tmp_path):
    found = measured()
    figures.removal(tmp_path, found)
    again, annealed, constant, cnn = saved["removal"].axes
    for deficit in (NONE, BLUR, "flip"):
        keys = [("restart", NONE, 0, 0), *(("restart", deficit, 0, end) for end in (15, 40, 80))]
        keys = [*keys[:3], ("restart", NONE, 0, 60), keys[3]] if deficit == NONE else keys
        assert drawn(again, [key[3] for key in keys], accuracy(found, *keys)), deficit
        for ax, protocol, ends in (
            (annealed, "annealed", (40, 80)),
            (constant, "constant", (40, 80)),
            (cnn, "cnn", (40, 70)),
        ):
            assert drawn(ax, ends, accuracy(found, *((protocol, deficit, 0, end) for end in ends)))
        assert drawn(cnn, [70], accuracy(found, ("cnn-annealed", deficit, 0, 70)))
    assert drawn(again, [80], accuracy(found, ("restart", "blur4", 0, 80)))
    looks = [
        {(line.get_marker(), line.get_color(), line.get_markerfacecolor()) for line in ax.lines if chosen(line)}
        for ax, chosen in (
            (cnn, lambda line: len(line.get_xdata()) == 1 and line.get_linestyle() == "None"),
            (again, lambda line: True),
        )
    ]
    assert len(looks[0]) == 3 and not looks[0] & looks[1], "CNNs with an annealed rate look like nothing else"
    assert drawn(again, [40, 80], accuracy(found, *(("restart", "noise", 0, end) for end in (40, 80))))


def test_window(saved, tmp_path):
    found = measured()
    figures.window(tmp_path, found)
    cost, where = saved["window"].axes
    for protocol, onsets in (("window", (0, 5, 10, 20, 35, 50)), ("window-constant", (0, 10, 30, 50))):
        keys = [Key(protocol, BLUR, onset, onset + 30) for onset in onsets]
        assert drawn(cost, onsets, [100 * found.drop(key).mean() for key in keys])
        assert drawn(where, onsets, [found.ends[key].ratio.mean() for key in keys])
    keys = [Key("restart", BLUR, onset, onset + 40) for onset in (0, 20, 40)]
    assert drawn(cost, (0, 20, 40), [100 * found.drop(key).mean() for key in keys])


def test_fisher(saved, tmp_path):
    found = measured()
    figures.fisher(tmp_path, found)
    control, deficits, layers, moving = saved["fisher"].axes
    x = found.conditions[Key("window", NONE)]
    for what in ("trace", "trace_held_out", "trace_at_entropy"):
        assert drawn(control, EPOCHS, x[what].mean(axis=0))
    y = found.conditions[Key("restart", BLUR, 0, 80)]["trace_at_entropy"].mean(axis=0)
    assert drawn(deficits, EPOCHS, y)
    assert drawn(moving, EPOCHS, 100 * (x["accuracy"][:, -1:] - x["accuracy"]).mean(axis=0))
    assert drawn(moving, EPOCHS, [100, 90, 70, 50, 30, 12, 6, 3, 1, 0])
    first = [bar.get_width() for bar in layers.patches[:7]]
    keys = [Key("restart", deficit, 0, 80) for deficit in (NONE, BLUR, "flip", *figures.OTHERS)]
    assert first == pytest.approx([found.conditions[key].shares[:, -1, 0].mean() for key in keys])
    assert [text.get_text() for text in layers.get_yticklabels()][:3] == ["no deficit", "blurred images", "upside down"]


def test_reached(saved, tmp_path):
    found = measured()
    figures.reached(tmp_path, found)
    tube, off, ends = saved["reached"].axes
    x = found.tubes[Key("restart", BLUR, 0, 80)]
    assert drawn(tube, x.progress, figures.mean(x.deficit)) and drawn(tube, x.progress, x.around.mean(axis=0))
    y = found.conditions[Key("restart", BLUR, 0, 80)]
    assert drawn(off, y["progress"].mean(axis=0)[-1:], y["off"].mean(axis=0)[-1:])  # after the deficit
    ratio = found.ends[Key("restart", BLUR, 0, 80)].ratio.mean()
    assert drawn(ends, [ratio], [-0.17]) and len(ends.get_yticks()) == 6


def embedding(seeds=2):
    """Return an embedding of two runs of some seeds, ignorance and truth."""
    rows = [("no deficit", s, k, k, k / 3, False) for s in range(seeds) for k in range(4)]
    rows += [("blurred images", s, k, k, k / 3, k < 2) for s in range(seeds) for k in range(4)]
    rows += [(name, 0, 0, 0, 0.1, False) for name in (picture.IGNORANCE, picture.TRUTH)]
    index = dict(zip(("run", "seed", "checkpoint", "t", "accuracy", "lasts"), map(np.array, zip(*rows))))
    points = np.random.default_rng(0).normal(size=(len(rows), 5))
    D = np.square(points[:, None] - points[None]).sum(axis=2)
    return inpca.fit(D, 3, index)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_picture(saved, tmp_path, seeds):
    found = embedding(seeds)
    picture.figure(tmp_path, found)
    left, right = saved["picture"].axes
    rows = [np.flatnonzero((found.index["run"] == "blurred images") & (found.index["seed"] == s)) for s in range(seeds)]
    means = found.coordinates[np.array(rows)].mean(axis=0)
    for ax, k in ((left, 1), (right, 2)):
        assert drawn(ax, *means[2:, [0, k]].T) and drawn(ax, *means[:3, [0, k]].T)  # after, and while it lasts
    saved["picture"].draw_without_rendering()
