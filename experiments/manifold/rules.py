"""The rules of the claims on paths of configurations: what each asks of what was measured, and its null or control.

Rules were fixed before the networks that they are applied to were trained; README.md has them in words.  SE is the
standard error of a mean over seeds; a bound is passed if the mean is on that side of it by more than 2 SE.
"""

import math

import numpy as np

from experiments.manifold.measured import (
    AUGMENTATION,
    BATCH,
    DECAY,
    NETWORK,
    OPTIMISER,
    Measured,
    Paths,
)
from learning.finding import Finding, above, below, decide, rises, said

DOMINATES, NEAREST, CHANCE = 1.5, 0.9, 0.01  # ratio of distances, share of nearest ones, p
EQUAL, NEAR, LARGE = (0.9, 1.1), 0.15, 0.05  # ratio, difference of shares, p of a factor that hardly matters
SAME = 0.6  # of the distance to all, between runs of one configuration
PLACES = 0.25, 0.45, 0.65  # of progress
PURE = 0.9
TWO_SEEDS, THREE_SEEDS = "two seeds or more are needed", "three seeds or more are needed"


def shared(values: np.ndarray) -> np.ndarray:
    """Return mean + 2 (values - mean) of values (S,): seeds are compared with the same runs: errors are doubled.

    A distance to runs of other seeds, or to their mean, has runs in common with that of any other seed, by which both
    move together: values spread less than those of independent seeds would.
    """
    mean = np.mean(values)
    return mean + 2 * (np.asarray(values) - mean)


def _factor(paths: Paths, name: str):
    """Return ratio, share of nearest, that of levels permuted, p of PERMANOVA and p of nearest, each (S,)."""
    each = paths.factors[name]
    rows = [(x.ratio, x.nearest.share, x.nearest.permuted, x.test.p, x.nearest.p) for x in each]
    return np.array(rows, float).T


def _beside(found, name):
    """Return what evaluation predictions say of a factor."""
    if found.evaluation is None or name not in found.evaluation.factors:
        return ""
    ratio, share, *_ = _factor(found.evaluation, name)
    return f"evaluation images: ratio {said(ratio, 2, False)}, nearest {said(share, 2, False)}"


def _apart(found, name):
    """Return where the nearest one is, of those that differ in more than weight decay, as a text."""
    each = found.paths.apart.get(name)
    if not each:
        return ""
    share, chance = said([x.share for x in each], 2, False), said([x.permuted for x in each], 2, False)
    return f"nearest that differs in more than weight decay {share}, permuted {chance}"


def _nothing(name):
    return Finding(f"all configurations are of one {name}, or each is of another", "-", decide(False, False), {})


def l3(found: Measured) -> Finding:
    """The network tells paths apart.

    Mean distance at equal progress of configurations of different networks over that of equal ones, and how often the
    nearest other configuration is of the same network.  Holds if the ratio is above DOMINATES, the share above NEAREST,
    and p below CHANCE for every seed; fails if the ratio or the share is below, or no p is.
    """
    if NETWORK not in found.paths.factors:
        return _nothing(NETWORK)
    ratio, share, chance, p, p_nearest = _factor(found.paths, NETWORK)
    rare = np.maximum(p, p_nearest) < CHANCE
    return Finding(
        f"ratio {said(ratio, 2, False)}, nearest of the same {said(share, 2, False)}",
        f"networks permuted: ratio {said(found.paths.ratios[NETWORK], 2, False)}, {said(chance, 2, False)}, "
        f"p <= {max(p.max(), p_nearest.max()):.4f}",
        decide(
            above(ratio, DOMINATES) and above(share, NEAREST) and bool(rare.all()),
            below(ratio, DOMINATES) or below(share, NEAREST) or not rare.any(),
        ),
        {},
        _beside(found, NETWORK),
    )


def hardly(found: Measured, name: str) -> Finding:
    """A factor hardly matters.

    Ratio and share as for networks.  Holds if the ratio, over that of levels permuted, is within EQUAL, and the share
    within NEAR of that of levels permuted, or p above LARGE for every seed; fails if the ratio is outside, or the share
    further and no p above.  (Permuted, the ratio is below 1 where networks matter: in a balanced design configurations
    of another level agree in the network more often.)
    """
    if name not in found.paths.factors:
        return _nothing(name)
    ratio, share, chance, p, p_nearest = _factor(found.paths, name)
    gap, null, (low, high) = share - chance, found.paths.ratios[name], EQUAL
    within = "within all else" if all(x.others for x in found.paths.factors[name]) else "among all"
    over, usual = ratio / null, p_nearest > LARGE
    beside = _apart(found, name), _beside(found, name)
    near = bool(usual.all()) or (below(gap, NEAR) and above(gap, -NEAR))
    far = not usual.any() and (above(gap, NEAR) or below(gap, -NEAR))
    return Finding(
        f"ratio {said(ratio, 2, False)}, nearest of the same {said(share, 2, False)}",
        f"permuted {within}: ratio {said(null, 2, False)}, {said(chance, 2, False)}; "
        f"p of nearest {p_nearest.min():.4f} to {p_nearest.max():.4f}",
        decide(above(over, low) and below(over, high) and near, below(over, low) or above(over, high) or far),
        {},
        "; ".join(filter(None, (f"p of PERMANOVA {p.min():.4f} to {p.max():.4f}", *beside))),
    )


def l3_optimiser(found: Measured) -> Finding:
    """... the optimiser hardly does.  See `hardly`."""
    return hardly(found, OPTIMISER)


def l3_batch(found: Measured) -> Finding:
    """... the batch size hardly does.  See `hardly`."""
    return hardly(found, BATCH)


def l3_decay(found: Measured) -> Finding:
    """... weight decay hardly does.  See `hardly`."""
    return hardly(found, DECAY)


def l3_augmentation(found: Measured) -> Finding:
    """... augmentation hardly does, which is not said of it.  See `hardly`."""
    return hardly(found, AUGMENTATION)


def l4(found: Measured) -> Finding:
    """Runs of one configuration lie in a narrow tube.

    Mean distance at equal progress to runs of the same configuration and other seeds, over that to runs of all
    configurations and other seeds; SE of the jackknife over seeds, three or more, since pairs of runs are of two seeds
    (`Paths.ratio`).  Holds if it is below SAME, and below that of configurations permuted; fails if it is above SAME.
    """
    paths = found.paths
    if len(found.seeds) < 3 or not np.isfinite(paths.ratio).all():
        one = paths.ratio.mean()
        told = f"{THREE_SEEDS}; ratio {one:.2f}" if np.isfinite(one) else THREE_SEEDS
        return Finding(told, "random groups: 1", decide(False, False), {})
    ratio, drawn, alike = paths.ratio, paths.random.mean(axis=1), paths.alike.mean(axis=1)
    curves = (paths.own, paths.others, paths.everyone)
    widths = [said(shared(paths.width(curve).mean(axis=1)), 3, False) for curve in curves]
    return Finding(
        f"ratio {said(ratio, 2, False)}",
        f"random groups: {drawn.mean():.2f}, at least {drawn.min():.2f}",
        decide(below(ratio, SAME) and bool(ratio.mean() < drawn.min()), above(ratio, SAME)),
        {},
        f"configurations of one network permuted: {alike.mean():.2f}, at least {alike.min():.2f}; "
        f"d_B of a run to the mean of its configuration {widths[0]}, of the others of it {widths[1]}, of all runs "
        f"{widths[2]}; a mean of g runs that differ by chance is 1 - 1 / g of the spread from each",
    )


def places(grid: np.ndarray) -> np.ndarray:
    """Return the numbers of three values of the grid (G,): those nearest to PLACES, where these lie within it, or

    else to the quarters of its range.
    """
    low, high = grid[0], grid[-1]
    inside = low <= PLACES[0] and PLACES[-1] <= high
    wanted = np.array(PLACES) if inside else low + (high - low) * np.array([0.25, 0.5, 0.75])
    return np.abs(grid - wanted[:, None]).argmin(axis=1)


def l5(found: Measured) -> Finding:
    """Runs are not on the geodesic, and ever further from it.

    Mean distance to the point of the geodesic of the same progress, at three values of it (`places`).  Holds if it
    rises from each to the next, and is above the mean distance of a run to the mean of the others of its configuration,
    of which errors are doubled (`shared`); fails if it falls from one to the next, or is below.  Of three seeds or
    more: two are as far from each other.
    """
    paths = found.paths
    if len(found.seeds) < 3 or not np.isfinite(paths.ratio).all():
        return Finding(THREE_SEEDS, "-", decide(False, False), {})
    at = places(paths.grid)
    curve, width = (paths.width(x)[:, at].T for x in (paths.geodesic, paths.others))
    width = np.array([shared(x) for x in width])
    rising, falling = rises(np.diff(curve, axis=0))
    gaps = curve - width
    return Finding(
        "at progress " + "; ".join(f"{paths.grid[k]:.2f}: {said(x, 3, False)}" for k, x in zip(at, curve)),
        f"to the mean of other seeds: {', '.join(said(x, 3, False) for x in width)}",
        decide(rising and all(above(x) for x in gaps), falling or any(below(x) for x in gaps)),
        {},
    )


def l6(found: Measured) -> Finding:
    """Clusters of configurations are networks.

    As many clusters of complete linkage as there are networks.  Holds if their purity is above PURE; fails if it is
    below.
    """
    if NETWORK not in found.paths.factors:
        return _nothing(NETWORK)
    tree = found.paths.tree
    whole = f"; {said(tree.whole, 2, False)} with what ended badly" if np.isfinite(tree.whole).all() else ""
    return Finding(
        f"purity {said(tree.purity, 2, False)}",
        f"networks permuted: {said(tree.chance, 2, False)}",
        decide(above(tree.purity, PURE), below(tree.purity, PURE)),
        {},
        f"cophenetic correlation {said(tree.cophenetic, 2, False)}{whole}",
    )


def l12(found: Measured) -> Finding:
    """Of all factors the network has the largest share of the sum of squares (PERMANOVA).

    Its share less the largest of another, and less its own with networks permuted.  Holds if both are above 0; fails if
    one is below.
    """
    if NETWORK not in found.paths.factors or len(found.paths.factors) < 2:
        return _nothing(NETWORK)
    shares = {name: np.array([x.test.share for x in each]) for name, each in found.paths.factors.items()}
    others = np.nanmax([x for name, x in shares.items() if name != NETWORK], axis=0)
    gap, more = shares[NETWORK] - others, shares[NETWORK] - found.paths.permuted
    ordered = sorted(shares, key=lambda name: -np.nan_to_num(shares[name].mean(), nan=-math.inf))
    return Finding(
        f"%: {', '.join(f'{name} {said(100 * shares[name], 1, False)}' for name in ordered)}",
        f"networks permuted: {said(100 * found.paths.permuted, 1, False)} %",
        decide(above(gap) and above(more), below(gap) or below(more)),
        {},
    )
