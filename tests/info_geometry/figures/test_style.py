"""What all figures share: runs keep their colours, and names stay apart when they are cut."""

import matplotlib.cbook
import numpy as np
import pytest

from info_geometry.figures import style as plot
from tests.support.run_names import LONG, SIX, TWELVE


def test_colours_tell_runs_apart_and_follow_their_order():
    looks = [tuple(style.values()) for style in plot.colours(TWELVE).values()]
    assert len(set(looks)) == len(TWELVE)
    assert plot.colours(SIX + SIX[::-1]) == plot.colours(np.array(SIX)) == plot.colours(SIX)
    assert len(plot.colours(range(100))) == 100


def looks(path, *runs):
    with plot.kept_looks(path):
        return plot.colours(runs)


def test_a_run_looks_alike_in_all_pictures(tmp_path):
    path = tmp_path / ".looks.json"
    first = looks(path, *SIX)
    assert first == plot.colours(SIX) and looks(path, *SIX[::-1]) == first
    assert looks(path, SIX[4], SIX[1]) == {run: first[run] for run in (SIX[4], SIX[1])}
    more = looks(path, SIX[5], "digits_new", SIX[0])
    assert more[SIX[0]] == first[SIX[0]] and more["digits_new"] not in first.values()
    assert looks(path, "digits_new") == {"digits_new": more["digits_new"]}
    other = looks(path, "toy_a", "toy_b")  # of another data set: from the first look on
    assert list(other.values()) == list(first.values())[:2]
    both = looks(path, "toy_a", SIX[0], "resnet_18", "vit_b_16")
    assert len({tuple(x.items()) for x in both.values()}) == 4, "told apart where they meet"
    assert looks(path, SIX[0]) == {SIX[0]: first[SIX[0]]}
    assert list(plot.colours([SIX[3]]).values()) == plot.LOOKS[:1], "outside of commands, in their order"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"digits_all": "red", "digits_even": -1}'])
def test_a_damaged_file_of_looks_is_none(tmp_path, content):
    (tmp_path / ".looks.json").write_text(content)
    assert looks(tmp_path / ".looks.json", *SIX) == plot.colours(SIX)
    assert looks(tmp_path / "file" / ".looks.json", *SIX) == plot.colours(SIX)


def test_names_are_no_mathematics():
    names = ["mine_a_{$x^$}", "mine_$b$", "mine_$"]
    assert list(plot.short_names(names).values()) == ["a_{$x^$}", "$b$", "$"]
    figure = plot.figure_with_legend(plot.colours(names), 4, 2)
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.replace(r"\$", "$") for text in texts] == ["a_{$x^$}", "$b$", "$"]
    assert not any(matplotlib.cbook.is_math_text(text) for text in texts)


def test_names_lose_their_common_prefix_and_stay_distinct():
    assert list(plot.display_names(SIX).values()) == ["all", "even", "odd", "low", "high", "randomlab"]
    assert plot.display_names(["digits_all"]) == {"digits_all": "all"}
    assert plot.display_names(["digits_all", "fashion_all"])["digits_all"] == "digits_all"
    assert plot.display_names(["digits", "digits_"]) == {"digits": "digits", "digits_": "digits_"}
    for runs in (LONG, TWELVE, ["a" * 50 + "b" + "c" * 50, "a" * 50 + "d" + "c" * 50]):
        assert len(set(plot.display_names(runs).values())) == len(runs)
