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
    index |= {"error": 5 * index["t"], "network": np.array(["b", "</script><b"])[index["seed"] % 2]}
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
    assert kept["network"]["levels"] == ["</script><b", "b"]
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
    crowd.until("return !cloud.moving")
    own = range(8 * 117, 8 * 118)
    places = [crowd.run("return cloud.pixel(arguments[0])", model) for model in own]

    def under(place):
        return crowd.run("return cloud.nearest(...arguments)", *place)

    assert [under(place)["model"] % 8 for place in places[4:]] == [4, 5, 6, 7]
    for clock in "checkpoint", "progress":
        crowd.set("clock", clock)
        crowd.set("position", "500", "input")
        found = [under(place) for place in places]
        assert all(found[:4]) and all(each["model"] % 8 <= 3 for each in found if each)
        crowd.click("#play")
        crowd.until("return document.getElementById('play').textContent === 'play'")
        assert crowd.text("moment") == "whole training"
    crowd.until("return !cloud.moving && cloud.drawn === 120 * 7")


@pytest.mark.slow
def test_axes_of_many_models_can_be_chosen(crowd):
    """Seen from far along the second axis, the place across is the first axis, and up the third."""
    points = curves(seeds=40, steps=8)[0]
    look = "Object.assign(cloud.camera, { azimuth: -Math.PI / 2, elevation: 0, distance: 1000 }); cloud.request();"
    crowd.click("#marks")
    for first in 0, 4:
        crowd.set("axis0", str(first))
        assert crowd.run("return state.axes") == [first, 1, 2]
        crowd.run(look)
        crowd.until(
            "return !cloud.moving && Math.abs(cloud.pixel(0)[0] - document.getElementById('plot').clientWidth / 2) < 2"
        )
        across, down = np.array(crowd.run("return Array.from({ length: 960 }, (_, i) => cloud.pixel(i))")).T
        for seen, axis in ((across, first), (-down, 2)):
            assert np.corrcoef(seen, points[:, axis])[0, 1] > 0.9999
    assert abs(np.corrcoef(points[:, 0], points[:, 4])[0, 1]) < 0.99


@pytest.mark.slow
def test_what_is_hovered_over_is_the_nearest_model(crowd):
    """Against the places of all models, one by one."""
    places = np.array(crowd.run("return Array.from({ length: 960 }, (_, i) => cloud.pixel(i))"))
    near = 0
    for x, y in places[::37] + np.random.default_rng(0).normal(scale=4, size=places[::37].shape):
        off = np.hypot(*(places - [x, y]).T)
        found, order = crowd.run("return cloud.nearest(arguments[0], arguments[1])", x, y), np.sort(off)
        if order[0] < 7.99 and order[1] - order[0] > 1e-3:
            assert found == {"number": off.argmin() // 8, "model": off.argmin()}
            near += 1
        elif order[0] > 8.01:
            assert found is None
    assert near > 10


@pytest.mark.slow
def test_a_trajectory_is_chosen_by_a_click(crowd):
    """Also where the picture has just been turned, and what is under the pointer is another."""
    x, y = crowd.run("return cloud.pixel(8 * 117 + 7)")
    crowd.press(x, y, "mouseMoved")
    crowd.until("return document.getElementById('chosen').textContent === 'odd, seed 37'")
    crowd.run("choose(null)")
    crowd.run("cloud.camera.azimuth += 1; cloud.move()")
    crowd.until("return !cloud.moving")
    crowd.press(x, y)
    crowd.until("return new Promise(done => setTimeout(() => done(true), 300))")
    found = crowd.run("return cloud.nearest(arguments[0], arguments[1])", x, y)
    assert crowd.run("return state.chosen?.number ?? null") == (found and found["number"]) != 117


@pytest.mark.slow
def test_a_trajectory_is_chosen_by_a_finger(browser, written_many):
    shown = Page(browser, written_many, 375, 700)
    shown.until("return !cloud.moving && cloud.drawn === 120 * 7")
    for number, words in ((117, "odd, seed 37"), (2, "all, seed 2")):
        shown.run("if (state.chosen) choose(null)")
        x, y = shown.run("return cloud.pixel(arguments[0])", 8 * number + 7)
        assert shown.run("return cloud.nearest(arguments[0], arguments[1]).number", x, y) == number
        shown.touch(x, y)
        shown.until(f"return document.getElementById('chosen').textContent === '{words}'", 10)
    assert shown.errors() == []


@pytest.mark.slow
def test_the_picture_comes_back_after_the_graphics_card_was_lost(crowd):
    def lit():  # pixels of the plot that are not white
        box = crowd.browser.find_element("id", "plot").rect
        shot = Image.open(io.BytesIO(crowd.browser.get_screenshot_as_png())).convert("L")
        left, top = round(box["x"]), round(box["y"])
        return (np.asarray(shot)[top : top + round(box["height"]), left : left + round(box["width"])] < 250).sum()

    crowd.run("cloud.camera.azimuth += 0.3; cloud.move()")
    crowd.until("return !cloud.moving")
    before = lit()
    crowd.run("""const gl = document.querySelector("#plot canvas").getContext("webgl");
        window.loss = gl.getExtension("WEBGL_lose_context"); window.frames0 = cloud.frames; loss.loseContext();""")
    crowd.until("return cloud.frames > frames0")
    assert 0 < lit() < before / 4  # the sentence alone
    crowd.run("window.frames0 = cloud.frames; loss.restoreContext();")
    crowd.until("return cloud.frames > frames0 && !cloud.moving")
    assert lit() == pytest.approx(before, rel=0.01)
    assert crowd.run("return cloud.camera.azimuth") == pytest.approx(-np.pi / 3 + 0.3)


@pytest.mark.slow
def test_without_webgl_there_is_a_sentence(browser_without_webgl, written_many):
    shown = Page(browser_without_webgl, written_many)
    assert shown.text("plot") == "This browser draws no WebGL, which a picture of so many models needs."
    shown.set("colour", "loss")
    shown.click("#runs button:nth-child(1)")
    assert shown.text("chosen") == "all, all seeds" and shown.text("stress").startswith("axes 1, 2, 3 explain")
    assert [entry for entry in shown.errors() if "WebGL" not in entry["message"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2])
def test_many_models_of_fewer_axes(browser, tmp_path, axes):
    points, values, imaginary, index = curves(RUNS, 40, 2, axes)
    shown = Page(browser, *page.write(tmp_path, points, values[:2], imaginary[:2], index))
    shown.until("return cloud.drawn === 120")
    assert shown.errors() == []
