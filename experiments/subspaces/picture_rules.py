"""The rules of claims P1 to P4: where lines lie in the picture.  As in `rules`."""

import numpy as np

from experiments.subspaces.kinds import STOPPED
from experiments.subspaces.measured import Measured
from experiments.subspaces.results import REGIMES
from learning.finding import Finding, above, below, decide, said

LONGER = 1.5  # times its chord


def bows(found: Measured) -> Finding:
    """A line bows towards truth: its middle is nearer to it than the ends, and than the middle of the great circle.

    d_B to truth is half the NLL.  Holds if the NLL of the middle is below both, clean and with 40 % wrong labels, by
    2 SE; fails if it is above either at either level by 2 SE.
    """
    good, bad, rows, nulls = [], [], [], []
    for level, x in found.picture.items():
        parts = x["middle"] - x["ends"], x["middle"] - x["circle"]
        good.append(all(map(below, parts)))
        bad.append(any(map(above, parts)))
        to_circle, to_ends = said(parts[1] / 2, 4), said(parts[0] / 2, 4)
        rows.append(f"{REGIMES[level]}: {to_circle} to that of the great circle, {to_ends} to the ends")
        nulls.append(f"{REGIMES[level]}: the great circle to the ends {said((x['circle'] - x['ends']) / 2, 4)}")
    return Finding("; ".join(rows), "; ".join(nulls), decide(all(good), any(bad)), {})


def longer(found: Measured) -> Finding:
    """A line, straight in weights, is far longer than its chord in prediction space.

    Holds if its Riemann length is LONGER times the step from end to end, at both levels, by 2 SE; fails if it is
    shorter than that at either by 2 SE.
    """
    ratios = {level: x["length"] / x["chord"] for level, x in found.picture.items()}
    good, bad = (
        all(above(x, LONGER) for x in ratios.values()),
        any(below(x, LONGER) for x in ratios.values()),
    )
    return Finding(
        "; ".join(f"{REGIMES[k]}: {said(x, sign=False)}" for k, x in ratios.items()), "1", decide(good, bad), {}
    )


def inside(found: Measured) -> Finding:
    """The middle is inside the cloud of networks trained apart: nearer to them than they are to each other.

    Holds if its mean d_B to them is below theirs to each other, at both levels, by 2 SE; fails if it is above at either
    by 2 SE.  Control: a network that is stopped early.
    """
    good, bad, rows, controls = [], [], [], []
    for level, x in found.picture.items():
        less = x["to_cloud"] - x["cloud"]
        good.append(below(less))
        bad.append(above(less))
        rows.append(f"{REGIMES[level]}: {said(x['to_cloud'], 3, False)}, against {said(x['cloud'], 3, False)}")
        controls.append(f"{REGIMES[level]}: {STOPPED} {said(x['stopped_to_cloud'], 3, False)}")
    return Finding("; ".join(rows), "; ".join(controls), decide(all(good), any(bad)), {})


def same_way(found: Measured) -> Finding:
    """While it is trained, the middle keeps as near to the ways of single networks as these do to each other.

    d_B to the nearest model of single networks of other seeds, mean over checkpoints.  Holds if that of the middle is
    not above that of a single network by 2 SE at either level, and below it on average; fails if it is above by 2 SE.
    """
    more = {level: x["off"] - x["off_null"] for level, x in found.picture.items()}
    value = "; ".join(f"{REGIMES[level]}: {said(x['off'], 4, False)}" for level, x in found.picture.items())
    null = "; ".join(f"{REGIMES[level]}: {said(x['off_null'], 4, False)}" for level, x in found.picture.items())
    good, bad = all(np.mean(x) < 0 for x in more.values()), any(map(above, more.values()))
    return Finding(value, null, decide(good, bad), {})
