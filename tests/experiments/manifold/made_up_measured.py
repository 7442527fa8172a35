"""For the tests: what is measured of the manifold, made up so that all claims hold, of as many seeds."""

import dataclasses

import numpy as np

from experiments.manifold.factors import Factor, Nearest
from experiments.manifold.means import KINDS
from experiments.manifold.measured import (
    ALL,
    BATCH,
    DECAY,
    FACTORS,
    NETWORK,
    OPTIMISER,
    PERMUTED,
    TOGETHER,
    WITHIN,
    Corner,
    Means,
    Measured,
    Paths,
    Picture,
    Sloppy,
    Tree,
    Widths,
)
from experiments.manifold.parts import EVALUATION, PARTS, TRAINING
from info_geometry.uncertainty.permanova import Permanova

K, T, NETWORKS = 24, 4, ("fc", "plain_cnn", "vit")
GRID = np.linspace(0.1, 0.8, 36)
STRESS = {TRAINING: 0.9, EVALUATION: 0.89, TOGETHER: 0.9, PERMUTED: 0.2, WITHIN: 0.7}
RATIOS = {NETWORK: 3.0}
SHARES = {NETWORK: 0.7, OPTIMISER: 0.05, BATCH: 0.02, DECAY: 0.02}  # PERMANOVA
CHANCES = {NETWORK: 0.3, OPTIMISER: 0.33}


def wobble(seeds):
    """Return numbers (seeds,) about 0, those of seeds."""
    return np.linspace(-1, 1, seeds) if seeds > 1 else np.zeros(1)


def picture(w, **changes):
    """Return a Picture; w: of its seed."""
    stress = {what: np.minimum(1, x + 0.001 * w + np.linspace(-0.2, 0.3, 12) * (1 - x)) for what, x in STRESS.items()}
    for what, x in STRESS.items():
        stress[what][[2, 9]] = x + 0.001 * w, (x + 3) / 4 + 0.001 * w
    levels = np.repeat(np.arange(K), T)
    index = {
        "run": np.char.add("fashion_all_", levels.astype(str)),
        "seed": np.full(K * T, 10),
        "checkpoint": np.tile(np.arange(T), K),
        "t": np.tile(np.arange(T, dtype=float), K),
        **{factor: x[levels] for factor, x in table().items()},
    }
    for part in PARTS:
        index[f"{part}_progress"] = np.tile(np.linspace(0, 0.8, T), K) + 0.001 * w
        index[f"{part}_accuracy"] = np.tile(np.linspace(0.1, 0.9, T), K) + 0.001 * w
    rng = np.random.default_rng(0)
    found = Picture(
        index,
        {which: rng.standard_normal((K * T, 3)) for which in (*PARTS, TOGETHER)},
        {which: np.array([False, False, True]) for which in (*PARTS, TOGETHER)},
        stress,
        dict.fromkeys(stress, 1.5),
        dict.fromkeys(stress, 7.0),
        0.98 + 0.001 * w,
        np.linspace(0.7, 0.8, 9),
        {f"{a} {b}": 0.02 for a, b in ((TRAINING, EVALUATION), (TRAINING, TOGETHER), (EVALUATION, TOGETHER))},
        np.linspace(0.2, 0.3, 9),
        {name: np.array([0.7, 0.8, 0.86]) + 0.001 * w for name in (ALL, *NETWORKS)},
        {name: np.array([0.6, 0.7, 0.85]) + 0.001 * w for name in (ALL, *NETWORKS)},
        dict.fromkeys((ALL, *NETWORKS), 0.13 + 0.001 * w),
        3,
        np.array([0.5, 0.6, 0.7]) + 0.001 * w,
    )
    return dataclasses.replace(found, **changes)


def table():
    """Return the levels of K configurations."""
    k = np.arange(K)
    return {
        NETWORK: np.array(NETWORKS)[k % 3],
        OPTIMISER: np.array(["adam", "sgd"])[k // 3 % 2],
        BATCH: np.array(["200", "500"])[k // 6 % 2],
        DECAY: np.array(["none", "some"])[k // 12],
        "augmentation": np.array(["none", "crop_flip"])[k // 5 % 2],
    }


def factor(name, ratio=None, near=None, p=None, share=None):
    """Return a Factor; near: the share of nearest ones, p: of both tests."""
    chance, network = CHANCES.get(name, 0.48), name == NETWORK
    p = (0.0005 if network else 0.4) if p is None else p
    test = Permanova(9.0, p, SHARES.get(name, 0.01) if share is None else share, 2, K, 2000, permuted=0.01)
    near = Nearest((1.0 if network else chance) if near is None else near, chance, p, chance)
    return Factor(name, test, near, RATIOS.get(name, 0.98) if ratio is None else ratio, True)


def factors(seeds, name, **changes):
    """Return the Factors of seeds; changes: of each, numbers or (S,)."""
    each = {what: np.broadcast_to(x, (seeds,)) for what, x in changes.items()}
    return tuple(factor(name, **{what: x[s] for what, x in each.items()}) for s in range(seeds))


def rows(seeds, curve, by=0.001):
    """Return curves (S, K, G) of all configurations."""
    whole = np.broadcast_to(curve, (seeds, len(GRID))) + by * wobble(seeds)[:, None]
    return np.broadcast_to(whole[:, None], (seeds, K, len(GRID))).copy()


def pairs(values):
    """Return distances (S, S) of pairs of seeds, means of the values (S,) of both."""
    values = np.asarray(values, float)
    return np.where(np.eye(len(values), dtype=bool), np.nan, (values[:, None] + values) / 2)


def paths(seeds, **changes):
    """Return Paths, with factors {name: tuple} changed one by one."""
    w = wobble(seeds)
    D = np.ones((seeds, K, K)) - np.eye(K)
    found = Paths(
        GRID,
        np.array([f"fashion_all_{k}" for k in range(K)]),
        table(),
        D,
        D,
        0.44,
        pairs(0.3 + 0.001 * w),
        pairs(np.ones(seeds)),
        np.full((9, seeds), 1.0),
        np.full((9, seeds), 0.35),
        rows(seeds, 0.1 + 0.2 * GRID),
        rows(seeds, 0.01),
        rows(seeds, 0.02),
        rows(seeds, 0.06),
        {name: factors(seeds, name) for name in FACTORS},
        {name: np.full(seeds, 1.02 if name == NETWORK else 0.98) for name in FACTORS},
        np.full(seeds, 0.09),
        {name: tuple(factor(name).nearest for _ in range(seeds)) for name in FACTORS if name != DECAY},
        Tree(np.ones(seeds), 0.9 + 0.01 * w, np.full(seeds, 0.4), np.full(seeds, np.nan)),
        {"one": 0.05},
        {"one": 0.83},
    )
    changes["factors"] = found.factors | changes.get("factors", {})
    return dataclasses.replace(found, **changes)


def means(harmonic=0.05, geometric=0.03, groups=6):
    """Return Means whose gains over the arithmetic one at the end are these, numbers or (Q,)."""
    gains = dict.fromkeys(KINDS, 0.01) | {"arithmetic": 0.0, "harmonic": harmonic, "geometric": geometric}
    last = 0.7 + 0.01 * wobble(groups)
    progress = {kind: np.stack([0 * last, last + gain], axis=1) for kind, gain in gains.items()}
    error = {kind: np.stack([0 * last + 0.9, 0.3 - (last + gain) / 5], axis=1) for kind, gain in gains.items()}
    levels = {NETWORK: np.array(NETWORKS * 2), OPTIMISER: np.repeat(["adam", "sgd"], 3), BATCH: np.full(6, "200")}
    single = {"progress": progress["root"] - 0.02, "error": error["root"] + 0.02}
    return Means(levels, np.tile([0.0, 20], (groups, 1)), progress, error, single, np.full(groups, 12))


def widths(seeds, steps=(4.0, 3.0, 2.0, 1.0), tubes=1.3, **changes):
    """Return Widths of which each reaches the level after so many epochs, numbers or (S,), so many tubes apart."""
    w = 0.05 * wobble(seeds)
    steps = np.array([np.broadcast_to(x, (seeds,)) for x in steps], float) + w
    apart = np.ones((4, 4, seeds, len(GRID))) * np.broadcast_to(tubes, (seeds,))[:, None]
    apart[np.arange(4), np.arange(4)] = 1.0
    times = np.broadcast_to(np.linspace(0, 20, T), (4, seeds, T)).copy()
    values = np.array([64.0, 160, 400, 1024])
    found = Widths(values, times, times / 25, 0.5, steps, -0.98, -0.5, 0.0005, GRID, 0.01 * apart)
    return dataclasses.replace(found, **changes)


def corner(seeds, shrink=5.0, late=0.012, width=0.01, first=5.0, last=1.2):
    """Return a Corner whose distance at progress 0.2 is divided by this, a number or (S,), by 0.8, and ends there.

    first, last: distances to ends of usual runs over that between these, numbers or (S,).
    """
    whole = np.broadcast_to(shrink, (seeds,))[:, None] ** ((0.8 - GRID) / 0.6)
    curve = late * whole
    ends = 0.05 * np.stack([np.broadcast_to(x, (seeds,)) for x in (first, last)], axis=1)
    starts, wide = 0.02 + 0.001 * wobble(seeds), np.full((seeds, len(GRID)), width)
    return Corner(GRID, curve, wide, np.full(seeds, 0.7), starts, ends, np.full(seeds, 0.05))


def synthetic(gap=0.1, spread=0.001, cells=12):
    """Return Sloppy whose stress with all base points differs by this, a number or (L,)."""
    flat = 0.8 + 0.01 * wobble(cells)
    stress = {"flat": np.stack([flat + 0.1, flat], axis=1), "sloppy": np.stack([flat + 0.11, flat + gap], axis=1)}
    evaluation = {name: x[:, -1] for name, x in stress.items()}
    axes = {name: np.linspace(x[:, 0] - 0.3, 1, 10).T for name, x in stress.items()}
    drawn = np.mean(gap) + spread * wobble(20)
    return Sloppy(tuple(map(str, range(cells))), np.array([1, 10]), stress, evaluation, axes, drawn, 0.0002)


def measured(seeds=3, **changes):
    """Return what is measured; changes: fields of it."""
    found = Measured(
        tuple(range(10, 10 + seeds)),
        left_out="all 72 runs ended well",
        missing={},
        pictures=tuple(picture(w) for w in wobble(seeds)),
        paths=paths(seeds),
        evaluation=paths(seeds),
        means=means(),
        widths=widths(seeds),
        corners={kind: corner(seeds) for kind in ("random0", "random1", "random2", "few200", "few2000")},
        synthetic=synthetic(),
    )
    return dataclasses.replace(found, **changes)
