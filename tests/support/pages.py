"""Pages for the tests: data of curves, what a page holds, and a page in headless Chromium."""

import json
import re
import time

import numpy as np

RUNS = ["toy_all", "toy_even", "toy_odd"]


def curves(runs=RUNS, seeds=2, steps=8, axes=5):
    """Coordinates, eigenvalues, imaginary flags and index of trajectories from one start; axis 5 is imaginary."""
    rng, points = np.random.default_rng(0), []
    index = {key: [] for key in ("run", "seed", "checkpoint", "t", "accuracy", "progress")}
    for run in runs:
        direction = rng.normal(size=axes)
        for seed in range(seeds):
            u = np.linspace(0, 1, steps)
            points.append(u[:, None] * (direction + 0.1 * rng.normal(size=axes)))
            columns = [run] * steps, [seed] * steps, range(steps), 10 * u, 0.1 + 0.8 * u, u
            for name, column in zip(index, columns):
                index[name].extend(column)
    eigenvalues = 10.0 / np.arange(1, 41) ** 2
    imaginary = np.arange(40) % 5 == 4
    return (
        np.concatenate(points),
        np.where(imaginary, -eigenvalues, eigenvalues),
        imaginary,
        {name: np.array(column) for name, column in index.items()},
    )


MARKS = np.linspace(0, 1, 11), np.linspace(0, 1, 11)[:, None] * np.ones(5)


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)[1]), text


class Page:
    """A page in the browser: its controls, and what plotly draws."""

    def __init__(self, browser, path, width=1280, height=800):
        self.browser = browser
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        browser.get_log("browser")
        browser.get(path.as_uri())
        self.until("return document.body.dataset.ready === 'yes'")

    def until(self, script, timeout=60):
        end = time.monotonic() + timeout
        while not self.run(script):
            assert time.monotonic() < end, f"{script} did not come true; console: {self.errors()}"
            time.sleep(0.05)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def set(self, control, value, event="change"):
        self.run(
            "const c = document.getElementById(arguments[0]); c.value = arguments[1];"
            "c.dispatchEvent(new Event(arguments[2]));",
            control,
            value,
            event,
        )

    def click(self, selector):
        self.browser.find_element("css selector", selector).click()

    def press(self, x=3, y=None, *before):
        """Press and release the button of the mouse at a place of the plot, by default a corner where no model is.

        before: what it does first, such as mouseMoved.
        """
        box = self.browser.find_element("id", "plot").rect
        y = box["height"] - 3 if y is None else y
        for kind, buttons in *((kind, 0) for kind in before), ("mousePressed", 1), ("mouseReleased", 0):
            self.browser.execute_cdp_cmd(
                "Input.dispatchMouseEvent",
                {
                    "type": kind,
                    "x": box["x"] + x,
                    "y": box["y"] + y,
                    "button": "left",
                    "buttons": buttons,
                    "clickCount": 1,
                },
            )

    def touch(self, x, y):
        """Tap with a finger at a place of the plot."""
        box = self.browser.find_element("id", "plot").rect
        for kind, points in ("touchStart", [{"x": box["x"] + x, "y": box["y"] + y}]), ("touchEnd", []):
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def traces(self):
        """Return what each trace shows: number in the data or None, first colour, number of points, x."""
        return self.run("""return document.getElementById("plot").data.map(t => ({meta: t.meta ?? null, n: t.x.length,
            x: t.x, colour: t.line ? (Array.isArray(t.line.color) ? "scale" : t.line.color) : null, mode: t.mode}))""")

    def trajectories(self):
        return [trace for trace in self.traces() if trace["meta"] is not None]

    def text(self, control):
        return self.run("return document.getElementById(arguments[0]).textContent", control)

    def errors(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
