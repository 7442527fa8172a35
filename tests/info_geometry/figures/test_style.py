"""What all figures share: runs keep their colours, and names stay apart when they are cut."""

import matplotlib.cbook
import numpy as np

from info_geometry.figures import style as plot
from tests.support.run_names import LONG, SIX, TWELVE


def test_colours_tell_runs_apart_and_follow_their_order():
    looks = [tuple(style.values()) for style in plot.colours(TWELVE).values()]
    assert len(set(looks)) == len(TWELVE)
    assert plot.colours(SIX + SIX[::-1]) == plot.colours(np.array(SIX)) == plot.colours(SIX)
    assert len(plot.colours(range(100))) == 100


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
