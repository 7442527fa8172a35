"""The page of many models: 16 bits a number in the file, and what WebGL draws of them in headless Chromium."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from info_geometry.figures import page
from info_geometry.figures import style as plot
from tests.support.pages import MARKS, RUNS, Page, curves, data_of


def unpacked(column):
    bits = np.frombuffer(base64.b64decode(column["bits"]), "<u2").astype(float)
    return np.where(bits == 65535, np.nan, column["low"] + (column["high"] - column["low"]) * bits / 65534)


def listed(column):
    which = np.frombuffer(base64.b64decode(column["bits"]), f"<u{column['size']}")
    return np.array(column["values"])[which]


@pytest.mark.parametrize(("seeds", "steps"), [(40, 50), (60, 4)])
def test_many_models_are_all_there_in_16_bits_a_number(tmp_path, seeds, steps):
    """Of more than 5,000 models, or 100 trajectories."""
    points, values, imaginary, index = curves(RUNS, seeds, steps, axes=10)
    index |= {"error": 5 * index["t"], "network": np.array(["b", "a<"])[index["seed"] % 2]}
    index["accuracy"][7] = np.nan
    data, text = data_of(*page.write(tmp_path, points, values, imaginary, index))
    many, kept = data["many"], {x["key"]: x for x in data["columns"]}
    assert [x["size"] for x in data["trajectories"]] == [steps] * 3 * seeds and "</script><b" not in text
    for axis, x in zip(many["points"], points.T):
        np.testing.assert_allclose(unpacked(axis), x, rtol=0, atol=np.ptp(x) / 130_000)
    for name in ("checkpoint", "t"):
        np.testing.assert_array_equal(listed(many[name]), index[name])
    for name in ("accuracy", "progress", "error"):
        atol = 1e-9 + (kept[name]["high"] - kept[name]["low"]) / 130_000
        np.testing.assert_allclose(unpacked(many["columns"][name]), index[name], rtol=0, atol=atol)
    assert kept["network"]["levels"] == ["a<", "b"]
    np.testing.assert_array_equal(unpacked(many["columns"]["network"]), 1 - index["seed"] % 2)


@pytest.mark.parametrize(("seeds", "steps"), [(40, 100), (1500, 10)])
def test_more_models_are_thinned_evenly_and_the_page_says_so(tmp_path, seeds, steps, monkeypatch):
    monkeypatch.setattr(page, "MODELS", 5001)
    points, values, imaginary, index = curves(RUNS, seeds, steps, axes=10)
    data, text = data_of(*page.write(tmp_path, points, values, imaginary, index))
    sizes = np.array([x["size"] for x in data["trajectories"]])
    assert page.MODELS / 2 < sizes.sum() <= page.MODELS and len(text) < 6e6
    assert {x["run"] for x in data["trajectories"]} == {0, 1, 2}
    checkpoints = np.split(listed(data["many"]["checkpoint"]), np.cumsum(sizes)[:-1])
    assert all(x[0] == 0 and x[-1] == steps - 1 for x in checkpoints)
    assert f"of {len(points):,} in {3 * seeds:,}" in data["what"]


def test_the_page_of_thousands_of_trajectories_is_small(tmp_path):
    [path] = page.write(tmp_path, *curves(RUNS, 767, 66, axes=10))
    assert path.stat().st_size < 13e6


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written_many(tmp_path_factory):
    points, values, imaginary, index = curves(seeds=40, steps=8)
    index["kind"] = np.array(["plain", "bent"])[index["seed"] % 2]
    index["loss"] = 3 - index["t"]
    return page.write(tmp_path_factory.mktemp("many"), points, values, imaginary, index, [0.5, 0.75], MARKS)[0]


@pytest.fixture
def crowd(browser, written_many):
    found = Page(browser, written_many)
    found.until("return !cloud.moving && cloud.drawn === 120 * 7")
    yield found
    assert found.errors() == []


def colours_of(shown, trajectory=0):
    """Return the colours of all models of a trajectory as #rrggbb, as they go to the graphics card."""
    return shown.run(
        """return cloud.colour(arguments[0]).map(c => "#" + c.map(x => x.toString(16).padStart(2, "0")).join(""))""",
        trajectory,
    )


@pytest.mark.slow
def test_many_models_have_their_colours(crowd):
    looks = [look["color"].lower() for look in plot.colours(RUNS).values()]
    assert [colours_of(crowd, i) for i in (0, 41, 119)] == [[look] * 8 for look in looks]
    crowd.set("colour", "kind")  # sorted: bent, plain
    assert [colours_of(crowd, i)[0] for i in (0, 1)] == [plot.PALETTE[1].lower(), plot.PALETTE[0].lower()]
    assert crowd.run("return [...document.querySelectorAll('#levels button')].map(b => b.textContent)") == [
        "bent",
        "plain",
    ]
    crowd.click("#levels button:nth-child(2)")
    assert crowd.text("chosen") == "kind plain"
    assert [colours_of(crowd, i)[0] for i in (0, 1)] == [plot.PALETTE[1].lower(), "#dedede"]
    crowd.set("colour", "loss")
    assert crowd.text("chosen") == "" and len(set(colours_of(crowd, 3))) == 8
    assert colours_of(crowd, 3)[0] == "#fde725" and colours_of(crowd, 3)[-1] == "#440154"  # the largest is first
    assert crowd.run("return document.getElementById('bar').textContent") == "3loss-7"


@pytest.mark.slow
def test_a_model_is_where_it_is_drawn(crowd):
    """Ends of trajectories that no other one hides have their colour on the screen; hovering says which they are."""
    number, model = 117, 8 * 117 + 7
    crowd.run("choose({ kind: 'trajectory', number: arguments[0] })", number)
    x, y = crowd.run("return cloud.pixel(arguments[0])", model)
    assert crowd.run("return cloud.nearest(arguments[0], arguments[1])", x, y) == {"number": number, "model": model}
    crowd.until("return !cloud.moving")
    shot = Image.open(io.BytesIO(crowd.browser.get_screenshot_as_png())).convert("RGB")
    box = crowd.browser.find_element("id", "plot").rect
    seen = shot.getpixel((round(box["x"] + x), round(box["y"] + y)))
    colour = plot.colours(RUNS)["toy_odd"]["color"]
    assert np.abs(np.array(seen) - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max() < 12
    assert crowd.run("return cloud.nearest(2, 2)") is None
    words = crowd.run("return hoverText(D.trajectories[117], arguments[0])", model)
    assert words == (
        "<b>odd</b>, seed 37<br>checkpoint 7, t 10<br>progress 1.000<br>accuracy 0.900<br>kind bent<br>loss -7"
    )


@pytest.mark.slow
def test_many_models_are_turned_played_and_shown_whole_again(crowd):
    before = crowd.run("return cloud.camera.azimuth")
    crowd.run("""const plot = document.getElementById("plot"), box = plot.getBoundingClientRect();
        [["pointerdown", 100], ["pointermove", 160], ["pointerup", 160]].forEach(([kind, x]) => plot.dispatchEvent(
        new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + 100, pointerId: 7, buttons: 1 })));""")
    assert crowd.run("return cloud.camera.azimuth") == pytest.approx(before - 60 * 0.008)
    for clock in "checkpoint", "progress":
        crowd.set("clock", clock)
        crowd.set("position", "500", "input")
        x, y = crowd.run("return cloud.pixel(8 * 117 + 7)")
        assert (crowd.run("return cloud.nearest(arguments[0], arguments[1])?.model", x, y) or 0) % 8 <= 3
        crowd.click("#play")
        crowd.until("return document.getElementById('play').textContent === 'play'")
        assert crowd.text("moment") == "whole training"
    crowd.until("return !cloud.moving && cloud.drawn === 120 * 7")


@pytest.mark.slow
def test_axes_of_many_models_can_be_chosen(crowd):
    crowd.set("axis0", "4")
    assert crowd.run("return state.axes") == [4, 1, 2]
    crowd.click("#marks")
    crowd.until("return !cloud.moving")


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2])
def test_many_models_of_fewer_axes(browser, tmp_path, axes):
    points, values, imaginary, index = curves(RUNS, 40, 2, axes)
    shown = Page(browser, *page.write(tmp_path, points, values[:2], imaginary[:2], index))
    shown.until("return cloud.drawn === 120")
    assert shown.errors() == []
