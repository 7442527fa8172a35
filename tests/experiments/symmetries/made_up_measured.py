"""For the tests: what is measured of symmetries, made up so that all claims hold, from as many pairs as wanted."""

import numpy as np

from experiments.symmetries import measured as m
from experiments.symmetries.dissection import KINDS, STEPS
from experiments.symmetries.measured import Line, Measured, Stitches, Sweep

L, DRAWS = 3, 4
WIDTHS = 16, 24, 32, 48, 64
CHANNELS = np.array([48, 96, 192])
ALPHAS, PUBLISHED, STRENGTHS = (0, 0.1, 0.3, 1, 3), (0.1, 1, 10), (0.03, 0.1, 0.3, 0.6, 1)
T = np.linspace(0, 1, 11)
PENALTIES = {
    m.ANY: (1.2, 2.0, 0.2),
    m.G_RELU: (3.2, 4.8, 0.9),
    m.MATCHED: (3.1, 8.8, 1.2),
    m.FITTED_ROTATION: (0.5, 1.3, 0.4),
    m.RANK_4: (4.3, 5.8, 2.6),
    m.RANK_2: (14, 12, 19),
    m.RANK_1: (23, 29, 65),
    m.IDENTITY: (74, 77, 76),
    m.RANDOM_PERMUTATION: (76, 75, 77),
    m.RANDOM_ROTATION: (72, 77, 75),
}
OF_SENDERS = {
    m.UNTRAINED: (6, 12, 30),
    m.RANDOM_LABELS: (3, 8, 25),
    m.NOISE: (15, 9, 3),
    m.ITSELF: (0, 0, 0),
    m.PLANTED: (0, 0, 0),
}
LINES = {
    **{f"width {width}": (1.8, 1.2, 0.8 - 0.01 * width) for width in WIDTHS},
    "no batch norm": (1.5, 0.9, 0.6),
    "residual": (2.5, 1.9, 1.4),
    "transformer": (1.1, 1.0, 0.9),
}


def wobble(count):
    """Return numbers (count,) about 0, those of seeds."""
    return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)


def around(means, count, spread):
    """Return values (count, len(means)) around means, by no more than a spread."""
    means = np.asarray(means, float)
    return means + spread * wobble(count)[:, None] * (1 - 0.2 * np.arange(len(means)) / len(means))


def stitches(penalty, count, spread=None):
    """Return Stitches (count, L) of these penalties by layer; the later, the nearer to the sender."""
    penalty = np.asarray(penalty, float)
    away = 0.006 + 0.01 * np.maximum(penalty, 0)
    later = np.linspace(0, 1, len(penalty)) * away * np.where(penalty > 20, 0.02, 0.3)
    values = around(penalty, count, 0.02 * penalty.max() + 0.05 if spread is None else spread)
    return Stitches(
        values,
        around(away - later, count, 0.0003),
        around(away + later + 0.0005, count, 0.0003),
        around(away + 0.2, count, 0.0003),
    )


def sweep(values, count, saturation=None, sparsity=None):
    """Return a Sweep whose penalty rises along its values; what else it has rises by layers, (K,)."""
    penalty = np.linspace(3, 4, len(values))[:, None] * np.array([1, 1.5, 0.4])
    changes = 0.003 * wobble(count)[:, None, None]
    full = [
        None if x is None else np.array(x)[:, None] * np.array([0.9, 0.95, 1]) + changes for x in (saturation, sparsity)
    ]
    return Sweep(np.array(values, float), penalty + 10 * changes, *full)


def line(barrier, count, spread=0.05):
    """Return a Line of which NLL rises by this much in the middle, around it by a share of it."""
    heights = around([barrier], count, spread * abs(barrier))
    nll = 0.35 + 0.02 * T + 4 * heights * T * (1 - T)
    return Line(T, nll, 87 - 20 * (nll - 0.35), 1 + 0.5 * heights[:, 0], np.full(count, 0.9))


def lines(before, by_weights, after, count, spread=0.05):
    """Return {way: Line} of barriers not aligned, aligned by weights and by activations."""
    heights = before, by_weights, after, 1.5 * after, 0.9 * after
    return {way: line(height, count, spread) for way, height in zip(m.WAYS, heights)}


def counted(own, count, left):
    """Return what `dissection.counts` says of a kind: `own` channels, of which a share is left as they are turned."""
    own = own + np.arange(count)
    steps = own[:, None] * np.linspace(1, left, len(STEPS))
    return {
        "own": own,
        "symmetry": np.repeat(own[:, None], DRAWS, axis=1),
        "turned": np.rint(steps[:, :, None] + wobble(DRAWS) * (np.arange(len(STEPS)) > 0)[:, None]),
    }


def zoo():
    """Return distances and similarities of networks, all of which are those of points in a plane."""
    points = np.random.default_rng(0).normal(size=(14, 2))
    far = np.sqrt(np.square(points[:, None] - points).sum(axis=2))
    return {"d_B": 0.01 * far, **{name: 1 - share * far for name, share in zip(m.METRICS, (0.08, 0.05, 0.04, 0.01))}}


def similarities(width, count):
    """Return {metric: (count, L)} at a width."""
    more = (width - 48) / 500
    means = (0.676, 0.603, 0.598), (0.811, 0.756, 0.745), (0.95, 0.85, 0.77), (0.985, 0.975, 0.96)
    return {
        name: around(np.add(mean, more if "Procrustes" in name else more / 10), count, 0.003)
        for name, mean in zip(m.METRICS, means)
    }


def measured(pairs=3, **changes):
    """Return what is measured where all claims hold, of this many pairs of networks, but for what is changed."""
    D, P = pairs, 2 * pairs
    kinds = {name: stitches(penalty, P) for name, penalty in PENALTIES.items()}
    kinds |= {name: stitches(penalty, D) for name, penalty in OF_SENDERS.items()}
    kinds[m.PLANTED] = stitches((0, 0, 0), D, 0)
    narrow = {
        m.ANY: (3.8, 2.7, 0.3),
        m.G_RELU: (24, 22, 5.4),
        m.MATCHED: (27, 32, 6),
        m.RANDOM_PERMUTATION: (77, 75, 84),
    }
    widths = {
        width: {
            name: stitches(np.array(x) * (1 if name == m.RANDOM_PERMUTATION else less), D) for name, x in narrow.items()
        }
        for width, less in zip(WIDTHS, (1, 0.6, 0.35, 0.2, 0.12))
    }
    widths[16][m.RANK_1] = stitches((41, 32, 65), D)
    metrics = "wreath_procrustes", "wreath_cka", "orthogonal_procrustes", "linear_cka"
    recovered = {
        "found": np.ones((D, L)),
        "scale_error": np.full((D, L), 1e-6),
        "accuracy_change": np.zeros((D, L)),
        **{name: np.ones((D, L)) for name in metrics},
    }
    invariant = {"symmetry": np.ones((D, L)), "rotation": around((0.9, 0.7, 0.45), D, 0.01)}
    maps = np.array([[1, 0.8, 0.6], [0.82, 1, 0.7], [0.58, 0.72, 1]]) * np.sqrt([[0.95], [0.85], [0.77]])
    values = {
        "layers": ("2", "5", "8"),
        "channels": tuple(CHANNELS.tolist()),
        "kinds": kinds,
        "ways": {
            name: stitches(np.multiply(PENALTIES[m.G_RELU], more), P)
            for name, more in ((m.GRADIENT, 1.1), (m.FROM_MATCH, 1.2), (m.GUMBEL, 1.5))
        },
        "apart": 0.03 + 0.001 * wobble(P),
        "hard": stitches((3.5, 5, 1), P),
        "soft": stitches((2, 3, 0.4), P),
        "soft_statistics": stitches((6, 11, 1), P),
        "chosen": np.array(ALPHAS)[np.arange(P * L).reshape(P, L) * 7 % 5],
        "alphas": sweep(ALPHAS, P, (0.36, 0.45, 0.6, 0.8, 0.93)),
        "published": sweep(PUBLISHED, D, (0.36, 0.361, 0.362)),
        "strengths": sweep(STRENGTHS, D, None, (0.2, 0.5, 0.8, 0.93, 0.97)),
        "widths": widths,
        "similar": {width: similarities(width, D) for width in WIDTHS},
        "live": {width: np.full((D, L), width) * [1, 2, 4] for width in WIDTHS},
        "maps": {
            name: np.array([x + 0.01 * w for w in wobble(D)]) for name, x in zip(m.METRICS[2:], (maps, maps**0.2))
        },
        "transformed": {
            name: around(means, D, 0.1)
            for name, means in {
                m.SAME: (-0.9, -1, -0.4),
                m.PERMUTED: (1.1, -0.4, 0.35),
                m.SCALED: (2.1, -0.2, 0.4),
                m.SCALED_MORE: (2.5, 0.2, 0.7),
                m.ROTATED: (3.2, 0.7, 5.7),
            }.items()
        },
        "transformed_layers": ("0", "2", "4"),
        "lines": {name: lines(*heights, D) for name, heights in LINES.items()},
        "unchanged": {
            name: {
                "symmetry": {"change": np.full(D, 2e-15), "d_B": np.full(D, 1e-17)},
                "rotation": {"change": 0.6 + 0.1 * wobble(D), "d_B": 0.2 + 0.01 * wobble(D)},
            }
            for name in LINES
        },
        "recovered": dict.fromkeys(("width 48", "no batch norm"), recovered),
        "invariance": dict.fromkeys(
            ("wreath_procrustes", "wreath_cka", "orthogonal_procrustes", "linear_cka_channel"), invariant
        )
        | {
            name: {"symmetry": invariant["rotation"], "rotation": invariant["symmetry"]}
            for name in ("orthogonal_procrustes_whole", "linear_cka", "wreath_cka_whole")
        },
        "residual": {
            name: stitches(np.linspace(first, last, 10), D)
            for name, first, last in (
                (m.ANY, 1, 0.3),
                (m.MATCHED, 20, 3),
                (m.FITTED_ROTATION, 3, 1),
                (m.RANDOM_PERMUTATION, 70, 78),
            )
        },
        "residual_layers": tuple(map(str, range(2, 12))),
        "dissection": {
            layer: {
                kind: counted(share * count // 10, D, left)
                for kind, share, left in zip(KINDS, (10, 2, 4, 3, 1), (1, 0.3, 1.2, 0.9, 0.5))
            }
            for layer, count in zip(("2", "5", "8"), CHANNELS)
        },
        "zoo": zoo(),
        "nearest": {name: around((0.6, 0.7, 0.5), P, 0.02) for name in m.BAD} | {m.ANY: around([0.02] * L, P, 0.001)},
        "nearest_own": 0.02 + 0.001 * wobble(D),
    }
    assert not changes.keys() - values.keys()
    return Measured(**{**values, **changes})
