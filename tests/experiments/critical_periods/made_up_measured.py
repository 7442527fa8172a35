"""For the tests: what is measured of critical periods, made up so that all claims hold, of as many seeds."""

import dataclasses

import numpy as np

from experiments.critical_periods.measured import NONE, Condition, Ends, Key, Measured, Tube
from experiments.critical_periods.results import FULL

EPOCHS = np.array([0, 0.1, 0.3, 1, 3, 10, 20, 30, 60, 110])
BLUR, LONG = "blur7", 80
ACCURACY, APART, WIDTH, LITTLE = 0.81, 0.025, 0.05, 0.002  # of controls, between them, of tubes, between their layers
# what deficits cost: by protocol and deficit, or with onset and end
DROPS = {
    ("restart", BLUR): 0.045,
    ("restart", BLUR, 0, 15): 0.008,
    ("restart", BLUR, 0, 40): 0.025,
    ("restart", BLUR, 20, 60): 0.012,
    ("restart", BLUR, 40, 80): 0.003,
    ("restart", "flip"): 0.005,
    ("restart", "blur4"): 0.006,
    ("restart", "permuted_labels"): 0.002,
    ("restart", "random_labels"): 0.019,
    ("annealed", BLUR): 0.05,
    ("annealed", "flip"): 0.02,
    ("constant", BLUR): 0.035,
    ("constant", "flip"): 0.01,
    ("cnn", BLUR): 0.03,
    ("cnn", "flip"): 0.004,
    ("cnn-annealed", BLUR): 0.06,
    ("cnn-annealed", "flip"): 0.03,
    ("window", "flip"): 0.002,
}
DROPS |= {("window", BLUR, k, k + 30): x for k, x in zip(FULL.onsets, (0.02, 0.01, 0.005, 0.004, 0.003, 0.002))}
DROPS |= {("window-constant", BLUR, k, k + 30): x for k, x in zip(FULL.constant, (0.02, 0.004, 0.003, 0.002))}
RATIOS = {("restart", BLUR): 7.0, ("restart", "flip"): 1.5, ("restart", "permuted_labels"): 1.4}
RATIOS |= {("window", BLUR, k, k + 30): x for k, x in zip(FULL.onsets, (5.0, 4, 3, 2.5, 2, 1.5))}
RATIOS |= {("window", "flip", k, k + 30): x for k, x in zip(FULL.onsets, (1.5, 1.6, 1.7, 1.8, 1.9, 2.0))}
RATIOS |= {("window-constant", BLUR, k, k + 30): x for k, x in zip(FULL.constant, (5.0, 3, 2, 1.5))}
LAYERS = {("restart", BLUR): 18.0, ("window", BLUR): 11.0, ("restart", "flip"): 2.0}
EXCESS = {BLUR: 5.0, "flip": 1.1}
OFF = {("restart", BLUR): 0.07, ("restart", "flip"): 0.02}
TRACE = np.array([150, 160, 200, 280, 300, 90, 40, 20, 12, 10.0])
AT_ENTROPY = np.array([8000, 9000, 1000, 400, 200, 100, 80, 80, 80, 80.0])
HELD_OUT = np.array([950, 940, 920, 900, 500, 300, 250, 220, 210, 200.0])
LENGTHS = np.array([10, 20, 20, 20, 18, 6, 3, 2, 1.0])  # % of the way, 12 of it after tr F has fallen
GROWING = np.array([0.13, 0.3, 0.5, 0.8, 0.97, 1, 1, 1, 1, 1])
GRID = np.linspace(0, 1, 21)


def of(table, key, usual):
    """Return what a table has of a condition, by its protocol and deficit, or by its window too."""
    return table.get(tuple(key), table.get(tuple(key[:2]), usual))


def wobble(seeds):
    """Return numbers (seeds,) about 0, those of seeds."""
    return np.linspace(-1, 1, seeds) if seeds > 1 else np.zeros(1)


def shares(seeds, ratio):
    """Return shares (seeds, 4) whose distance from controls of other seeds is a ratio, 1 or above, of that of these."""
    at = LITTLE * wobble(seeds)
    place = at
    if np.ndim(ratio) or (ratio != 1 and seeds > 1):
        others = (at.sum() - at) / (seeds - 1)
        own = np.abs(at[:, None] - at[None]).sum(axis=1) / (seeds - 1)
        place = np.broadcast_to(ratio, (seeds,)) * own + others
    return np.array([0.6, 0.2, 0.12, 0.08]) + place[:, None] * np.array([-1, 1, 0, 0])


def condition(key, seeds, drop=None, layers=None, off=None, **known):
    """Return the networks of a condition."""
    drop = of(DROPS, key, 0.0) if drop is None else drop
    last = ACCURACY + 0.001 * wobble(seeds) - drop
    grows = np.broadcast_to(last, (seeds,))[:, None] * GROWING
    rows = {
        "accuracy": grows,
        "progress": np.broadcast_to(GROWING * 0.99, (seeds, len(EPOCHS))),
        "off": 0.29 * GROWING + (of(OFF, key, 0.0) if off is None else np.reshape(off, (-1, 1))),
        "trace": TRACE,
        "trace_at_entropy": AT_ENTROPY,
        "trace_held_out": HELD_OUT,
        "entropy": np.linspace(2, 0.01, len(EPOCHS)),
        "cross_entropy": np.linspace(2, 0.01, len(EPOCHS)),
        "training_accuracy": np.linspace(0.1, 1, len(EPOCHS)),
        "moved": np.ones(len(EPOCHS)),
    } | known
    rows = {what: np.array(np.broadcast_to(values, grows.shape), float) for what, values in rows.items()}
    ratio = of(LAYERS, key, 1.0) if layers is None else layers
    parts = np.repeat(shares(seeds, ratio)[:, None], len(EPOCHS), axis=1)
    steps = np.broadcast_to((LENGTHS / 200) ** 2, (seeds, len(LENGTHS)))
    return Condition(EPOCHS, rows, parts, np.array(steps))


def ends(seeds, ratio):
    """Return ends whose distance to controls of other seeds is a ratio of that between these."""
    control = np.where(np.eye(seeds, dtype=bool), 0, APART)
    far = np.array(np.broadcast_to(np.reshape(ratio, (-1, 1)) * APART, (seeds, seeds)), float)
    return Ends(far, 0.8 * far, control, 0.8 * control)


def tube(seeds, excess):
    """Return a tube that runs come into at progress 0.8, or never, and the distance at the end over its width."""
    around = np.full((seeds, len(GRID)), WIDTH)
    last = np.array(np.broadcast_to(excess, (seeds,)), float)
    way = np.where(GRID < 0.5, np.nan, np.where((GRID > 0.79) & (GRID < 0.95), 0.5 + last[:, None] / 2, 9))
    way[:, -1] = last
    return Tube(GRID, around, WIDTH * way)


def measured(seeds=4, **changes):
    """Return what is measured; changes: fields of it, of which dictionaries change some keys alone."""
    keys = FULL.every()
    found = Measured(
        tuple(range(10, 10 + seeds)),
        {key: condition(key, seeds) for key in keys},
        {key: ends(seeds, of(RATIOS, key, 1.2)) for key in keys if key.deficit != NONE},
        {key: tube(seeds, EXCESS.get(key.deficit, 1.0)) for key in FULL.courses()},
        ends(seeds, 1.1),
    )
    fields = {name: {**getattr(found, name), **x} if isinstance(x, dict) else x for name, x in changes.items()}
    return dataclasses.replace(found, **fields)


def key(protocol, deficit, onset=0, end=LONG):
    """Return a Key."""
    return Key(protocol, deficit, onset, end)
