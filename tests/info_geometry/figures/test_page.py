"""The interactive page: what is in the file, and what it does in headless Chromium."""

import re

import numpy as np
import pytest

from info_geometry.figures import page, provenance
from info_geometry.figures import style as plot
from info_geometry.files import InputError
from tests.support.pages import MARKS, RUNS, Page, curves, data_of


def test_progress_by_the_other_objective_is_there_where_it_is_known(tmp_path):
    points, values, imaginary, index = curves()
    for known in (False, True):
        if known:
            index["progress_bhattacharyya"] = index["progress"] ** 2
        [path] = page.write(tmp_path, points, values, imaginary, index, [0.5], MARKS, name="toy", t_name="epoch")
        x = data_of(path)[0]["trajectories"][0]
        assert ("progress_bhattacharyya" in x["values"]) == known
    values = x["values"]
    np.testing.assert_allclose(values["progress_bhattacharyya"], np.square(values["progress"]), atol=1e-3)


def test_the_page_holds_what_it_is_given(tmp_path):
    points, values, imaginary, index = curves()
    [path] = page.write(tmp_path, points, values, imaginary, index, [0.5, 0.75], MARKS, name="toy", t_name="epoch")
    data, text = data_of(path)
    assert path.name == "inpca.html" and list(tmp_path.iterdir()) == [path]
    assert len(text) < 6e6 and "@DATA" not in text
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="(?!data:)', text)
    assert data["axes"] == ["InPC 1", "InPC 2", "InPC 3", "InPC 4", "InPC 5 (imaginary)"]
    assert [run["name"] for run in data["runs"]] == ["all", "even", "odd"]
    assert [run["colour"] for run in data["runs"]] == [look["color"] for look in plot.colours(RUNS).values()]
    assert len(data["trajectories"]) == 6 and len(data["eigenvalues"]) == 30
    for x, rows in zip(data["trajectories"], np.arange(48).reshape(6, 8)):
        assert data["runs"][x["run"]]["name"] == index["run"][rows[0]].removeprefix("toy_")
        assert x["seed"] == index["seed"][rows[0]] and x["checkpoint"] == list(range(8))
        np.testing.assert_allclose(x["points"], points[rows], rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(x["values"]["progress"], index["progress"][rows], rtol=1e-4)
    np.testing.assert_allclose(data["marks"]["points"], MARKS[1], rtol=1e-4)
    assert data["stress"] == "explained stress: 1 axis 50 %, 2 axes 75 %" and data["t_name"] == "epoch"


def test_models_in_any_order_make_the_same_page(tmp_path):
    points, values, imaginary, index = curves()
    order = np.argsort(-index["checkpoint"], kind="stable")
    shuffled = {name: column[order] for name, column in index.items()}
    [a] = page.write(tmp_path / "a", points, values, imaginary, index)
    [b] = page.write(tmp_path / "b", points[order], values, imaginary, shuffled)
    assert a.read_bytes() == b.read_bytes()


def test_what_is_unknown_is_null_and_missing_columns_are_left_out(tmp_path):
    points, values, imaginary, index = curves()
    index["accuracy"][3] = np.nan
    del index["progress"]
    data, _ = data_of(*page.write(tmp_path, points, values, imaginary, index))
    values = data["trajectories"][0]["values"]
    assert values["accuracy"][3] is None and values["accuracy"][4] is not None and "progress" not in values
    assert data["marks"] is None and data["stress"] == ""


def test_names_cannot_end_the_script(tmp_path):
    points, values, imaginary, index = curves()
    index["run"] = np.where(index["run"] == "toy_all", "toy_</script><b>@META@", index["run"])
    [path] = page.write(tmp_path, points, values, imaginary, index, name="<i>")
    data, text = data_of(path)
    assert data["runs"][0]["name"] == "</script><b>@META@" and "<title>&lt;i&gt;:" in text


def test_times_stand_in_the_page_as_they_were_given(tmp_path):
    points, values, imaginary, index = curves()
    t = np.resize([0, 101331, 102582, 0.1 + 0.2, 1700003600], len(points))
    data, text = data_of(*page.write(tmp_path, points, values, imaginary, {**index, "t": t}))
    assert [x for trajectory in data["trajectories"] for x in trajectory["t"]] == t.tolist()
    assert "1700003600," in text and "1700003600.0" not in text


@pytest.mark.parametrize("seeds", [2, 40])
def test_any_name_of_a_column_and_any_time_can_be_shown(tmp_path, seeds):
    points, values, imaginary, index = curves(seeds=seeds)
    index["t"][[1, 3]] = np.nan, np.inf
    others = {name: index["accuracy"] + i for i, name in enumerate(("points", "size", "__proto__", "constructor"))}
    plain, data = (data_of(*page.write(tmp_path, points, values, imaginary, index | more))[0] for more in ({}, others))
    assert {*others} <= {column["key"] for column in data["columns"]} and data["axes"] == plain["axes"]
    for x, y in zip(data["trajectories"], plain["trajectories"]):
        assert {name: x[name] for name in x if name != "values"} == {name: y[name] for name in y if name != "values"}
    if seeds == 2:
        t = data["trajectories"][0]["t"]
        assert t[1] is None and t[3] is None and t[2] == index["t"][2]
    else:
        assert data["many"]["points"] == plain["many"]["points"] and None in data["many"]["t"]["values"]


def test_what_is_coloured_first_is_there(tmp_path):
    index = curves()[3] | {"kind": np.array(["a"] * 48)}
    for first in ("task", "seed", "kind", "accuracy"):
        assert data_of(*page.write(tmp_path, *curves()[:3], index, first=first))[0]["first"] == first
    with pytest.raises(InputError, match="first: 'network' is no colour of the page; it offers 'task', 'seed', 'prog"):
        page.write(tmp_path, *curves()[:3], index, first="network")


def test_the_page_says_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["info_geometry/inpca.py", "--name", "a b"])
    with provenance.of(["x"]):
        data, text = data_of(*page.write(tmp_path, *curves()))
        origin = provenance.current()
    assert origin["command"] == "python info_geometry/inpca.py --name 'a b'" and origin["inputs"].startswith("sha256:")
    assert all(value in data["made"] for value in origin.values()) and f'content="{origin["inputs"]}"' in text
    assert provenance.current() == {"version": provenance.version()}


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    points, values, imaginary, index = curves()
    return page.write(tmp_path_factory.mktemp("page"), points, values, imaginary, index, [0.5, 0.75], MARKS)[0]


@pytest.fixture
def shown(browser, written):
    found = Page(browser, written)
    yield found
    assert found.errors() == []


@pytest.mark.slow
def test_it_draws_all_trajectories_and_the_geodesic(shown):
    colours = [look["color"] for look in plot.colours(RUNS).values()]
    assert [trace["colour"] for trace in shown.trajectories()] == [c for c in colours for _ in range(2)]
    assert len(shown.traces()) == 8 and all(trace["n"] == 8 for trace in shown.trajectories())
    assert shown.run("return document.querySelectorAll('#plot canvas').length") > 0
    shown.click("#marks")
    assert len(shown.traces()) == 6
    assert shown.run("return document.getElementById('spectrum').data.map(t => t.x.length)") == [3, 24, 6]


@pytest.mark.slow
def test_axes_can_be_chosen(shown):
    points = curves()[0]
    np.testing.assert_allclose(shown.trajectories()[1]["x"], points[8:16, 0], rtol=1e-4, atol=1e-12)
    shown.set("axis0", "4")
    np.testing.assert_allclose(shown.trajectories()[1]["x"], points[8:16, 4], rtol=1e-4, atol=1e-12)
    titles = "return ['x','y','z'].map(a => document.getElementById('plot').layout.scene[a + 'axis'].title.text)"
    assert shown.run(titles) == ["InPC 5 (imaginary)", "InPC 2", "InPC 3"]
    shown.set("axis0", "1")  # was the second axis: these two are exchanged
    assert shown.run(titles) == ["InPC 2", "InPC 5 (imaginary)", "InPC 3"]
    assert shown.run("return document.getElementById('spectrum').data[0].x") == [2, 3, 5]


@pytest.mark.slow
def test_colours_can_be_chosen(shown):
    for colour in "seed", "progress", "accuracy", "task":
        shown.set("colour", colour)
        found = {trace["colour"] for trace in shown.trajectories()}
        expected = {"seed": set(plot.PALETTE[:2]), "task": {look["color"] for look in plot.colours(RUNS).values()}}
        assert found == expected.get(colour, {"scale"})
        assert len(shown.traces()) == 8 + (colour in ("progress", "accuracy"))  # the bar of colours


@pytest.mark.slow
def test_chips_follow_the_colours(shown):
    dots = "return [...document.querySelectorAll(arguments[0] + ' i')].map(i => i.style.background)"
    tasks = [
        f"rgb{tuple(int(look['color'][i : i + 2], 16) for i in (1, 3, 5))}" for look in plot.colours(RUNS).values()
    ]
    assert shown.run(dots, "#runs") == tasks and not shown.browser.find_element("id", "seeds").is_displayed()
    shown.set("colour", "seed")
    assert {*shown.run(dots, "#runs")} == {"rgb(222, 222, 222)"} and shown.run(dots, "#seeds") == tasks[:2]
    shown.click("#seeds button:nth-child(2)")
    assert [trace["colour"] == "#dedede" for trace in shown.trajectories()] == [True, False] * 3
    assert shown.text("chosen") == "seed 1, all tasks"
    shown.click("#seeds button:nth-child(2)")
    shown.set("colour", "progress")
    assert {*shown.run(dots, "#runs")} == {"rgb(222, 222, 222)"}


@pytest.mark.slow
def test_the_stress_is_that_of_the_axes_shown(shown):
    """The first axis explains 0.5, which tells the sum of all squares."""
    values = curves()[1]
    total = values[0] ** 2 / (1 - 0.5**2)
    for axes in ((0, 1, 2), (3, 1, 2)):
        shown.set("axis0", str(axes[0]))
        share = 100 * (1 - np.sqrt(1 - sum(values[k] ** 2 for k in axes) / total))
        names = ", ".join(str(k + 1) for k in sorted(axes))
        assert shown.text("stress").startswith(
            f"axes {names} explain {share:.0f}\u00a0% of the stress; explained stress: 1 axis"
        )


@pytest.mark.slow
def test_playing_begins_with_something_to_see(shown):
    for clock in "checkpoint", "progress":
        shown.set("clock", clock)
        shown.set("position", "0", "input")
        assert all(trace["n"] >= 1 for trace in shown.trajectories())
    shown.set("position", "1000", "input")
    shown.run("document.getElementById('play').click()")
    assert shown.run("return state.position") >= 0.1
    shown.click("#play")


@pytest.mark.slow
def test_the_first_view_is_that_of_the_still_figure(shown):
    eye = shown.run("return document.getElementById('plot').layout.scene.camera.eye")
    assert np.degrees(np.arctan2(eye["y"], eye["x"])) == pytest.approx(-60, abs=1)
    assert np.degrees(np.arctan2(eye["z"], np.hypot(eye["x"], eye["y"]))) == pytest.approx(30, abs=1)


@pytest.mark.slow
def test_training_can_be_played(shown):
    shown.set("position", "430", "input")
    assert [trace["n"] for trace in shown.trajectories()] == [4] * 6 and shown.text("moment") == "checkpoint 3 of 7"
    shown.set("clock", "progress")
    assert [trace["n"] for trace in shown.trajectories()] == [4] * 6 and shown.text("moment") == "progress ≤ 0.43"
    shown.set("position", "1000", "input")
    assert shown.text("moment") == "whole training"
    shown.set("clock", "checkpoint")
    shown.click("#play")
    assert shown.text("play") == "pause"
    shown.until("return document.getElementById('play').textContent === 'play'")
    assert [trace["n"] for trace in shown.trajectories()] == [8] * 6


@pytest.mark.slow
def test_one_trajectory_or_task_can_be_chosen(shown):
    def dim():
        return [trace["colour"] == "#dedede" for trace in shown.trajectories()]

    shown.run("document.getElementById('plot').emit('plotly_hover', {points: [{data: {meta: 3}}]})")
    shown.press()
    shown.until("return document.getElementById('chosen').textContent === 'even, seed 1'")
    assert dim() == [True, True, True, False, True, True]
    shown.click("#runs button:nth-child(3)")
    assert dim() == [True, True, True, True, False, False] and shown.text("chosen") == "odd, all seeds"
    shown.click("#runs button:nth-child(3)")
    assert dim() == [False] * 6 and shown.text("chosen") == ""
    shown.click("#runs button:nth-child(1)")
    shown.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert dim() == [False] * 6


@pytest.mark.slow
def test_hovering_tells_which_model_it_is(shown):
    assert shown.run("return document.getElementById('plot').data[3].text[7]") == (
        "<b>even</b>, seed 1<br>checkpoint 7, t 10<br>progress 1.000<br>accuracy 0.900"
    )


@pytest.mark.slow
def test_it_fits_a_phone(browser, written):
    shown = Page(browser, written, 375, 700)
    wide = "return document.documentElement.scrollWidth"
    assert shown.run(wide) <= 375
    outside = """return [...document.querySelectorAll("select, button, input, output, h2, #plot, #spectrum")].filter(
        e => e.getBoundingClientRect().right > 375.5 && getComputedStyle(e).display !== "none").map(e => e.id)"""
    assert shown.run(outside) == [] and shown.errors() == []


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2])
def test_pictures_of_fewer_axes(browser, tmp_path, axes):
    points, values, imaginary, index = curves(RUNS[:1], 1, 2, axes)
    shown = Page(browser, *page.write(tmp_path, points, values[:2], imaginary[:2], index))
    assert len(shown.traces()) == 1 and shown.errors() == []
    assert not browser.find_element("id", "marks-label").is_displayed()


@pytest.mark.slow
def test_what_is_not_known_is_grey(browser, tmp_path):
    points, values, imaginary, index = curves()
    index["accuracy"][3] = np.nan
    shown = Page(browser, *page.write(tmp_path, points, values, imaginary, index, first="accuracy"))
    first, second = shown.run("return document.getElementById('plot').data.slice(0, 2).map(t => t.marker.color)")
    assert [colour == "#dedede" for colour in first] == [i == 3 for i in range(8)] and "#dedede" not in second
    # from 0.1 to 0.9 of Viridis, which begins dark and blue
    assert len(set(second)) == 8 and shown.run("return colourOf(columnOf('accuracy'), 0)") == "rgb(68,1,84)"
    assert shown.errors() == []


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 40])
def test_columns_of_any_name_are_shown_in_the_colours_that_are_given(browser, tmp_path, seeds):
    points, values, imaginary, index = curves(seeds=seeds)
    kind = np.array([f"kind {i:02d}" for i in range(12)])[index["seed"] % 12]
    index |= dict.fromkeys(("points", "size", "__proto__", "constructor"), index["accuracy"] + 1700000000.0)
    index |= {"kind": kind}
    index["t"][15] = np.nan
    colours = {level: f"#0000{i:02x}" for i, level in enumerate(np.unique(kind))}
    shown = Page(
        browser,
        *page.write(
            tmp_path, points, values, imaginary, index, colours={"kind": colours}, first="kind", t_name="epoch"
        ),
    )
    offered = shown.run("return [...document.getElementById('colour').options].map(o => o.text)")
    assert len(offered) == len(set(offered)) == 9 and shown.run("return state.colour") == "kind"
    if seeds == 2:
        assert [trace["colour"] for trace in shown.trajectories()] == ["#000000", "#000001"] * 3
        words = shown.run("return document.getElementById('plot').data[1].text[7]")
    else:
        shown.until("return !cloud.moving")
        assert shown.run("return cloud.colour(1)[0]") == [0, 0, 1]
        words = shown.run("return hoverText(D.trajectories[1], 15)")
    assert "checkpoint 7<br>" in words and "<br>constructor 1700000000.9" in words and words.endswith("kind kind 01")
    for column in ("constructor", "__proto__", "points", "task"):
        shown.set("colour", column)
    assert shown.errors() == []


@pytest.mark.slow
def test_text_and_numbers_are_colours_of_few_models_too(browser, tmp_path):
    points, values, imaginary, index = curves()
    index["kind"], index["loss"] = np.array(["plain", "bent"])[index["seed"] % 2], 3 - index["t"]
    shown = Page(browser, *page.write(tmp_path, points, values, imaginary, index))
    shown.set("colour", "kind")
    assert [trace["colour"] for trace in shown.trajectories()] == [plot.PALETTE[1], plot.PALETTE[0]] * 3
    shown.click("#levels button:nth-child(1)")
    assert [trace["colour"] == "#dedede" for trace in shown.trajectories()] == [True, False] * 3
    shown.set("colour", "loss")
    bar = shown.run("const m = document.getElementById('plot').data.at(-1).marker; return [m.cmin, m.cmax]")
    assert bar == [-7, 3] and shown.text("chosen") == "" and shown.errors() == []
