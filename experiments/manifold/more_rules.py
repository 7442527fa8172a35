"""The rules of the claims on means, widths, corners and Gaussian inputs.  See `rules`."""

import math
from collections.abc import Mapping

import numpy as np

from experiments.manifold.corners import TIMES, joined_at
from experiments.manifold.measured import Corner, Measured, known_mean
from experiments.manifold.picture_rules import LITTLE
from experiments.manifold.rules import TWO_SEEDS, shared
from learning.finding import Finding, above, below, decide, said

RANK = -0.8  # of epochs with width
LARGE = 0.05  # p
TUBES = 2.0  # widths of a tube, within which paths coincide
SHRINKS = 3.0
EARLY, LATE, APART, LASTING = 0.2, 0.8, 0.3, 0.1  # of progress: compared, at least so far apart; "for good"
RANDOM, FEW = "random", "few"  # how kinds of corners begin


def l7(found: Measured) -> Finding:
    """Wider networks go faster: epochs to a progress of a half, by width.

    Holds if their means fall from each width to the next, and their rank correlation with width over runs is below
    RANK; fails if one rises by 2 SE, or the correlation is above RANK and p above LARGE.
    """
    x = found.widths
    means = [row[np.isfinite(row)].mean() if np.isfinite(row).any() else math.nan for row in x.steps]
    changes = [step[np.isfinite(step)] for step in np.diff(x.steps, axis=0)]
    falling = bool((np.diff(means) < 0).all())  # NaN is not
    rising = any(len(step) > 1 and above(step) for step in changes)
    missed = int(np.isnan(x.steps).sum())
    told = ", ".join(
        f"{width:.0f}: {said(row[np.isfinite(row)], 2, False)}" if np.isfinite(row).any() else f"{width:.0f}: never"
        for width, row in zip(x.widths, x.steps)
    )
    return Finding(
        f"epochs to progress {x.level:g}, by width: {told}; rank correlation {x.rank:+.2f}",
        f"widths permuted: p = {x.p:.4f}",
        decide(falling and x.rank < RANK, rising or (x.rank > RANK and x.p > LARGE)),
        {},
        f"epochs are about width to the power {x.exponent:.2f}"
        + (f"; {missed} of {x.steps.size} runs are not there or did not get so far" if missed else ""),
    )


def l7_paths(found: Measured) -> Finding:
    """... on the same path.

    At equal progress, the distance of a run of the narrowest to the mean of the widest of other seeds, over that of one
    of the widest to this mean, and the other way round; the mean of both.  Errors over seeds are doubled (`shared`).
    Holds if it is below TUBES; fails if it is above.
    """
    x = found.widths
    ratio = x.ratio
    ends = (ratio[0, -1] + ratio[-1, 0]) / 2
    ends = ends[np.isfinite(ends)]
    if len(ends) < 2:
        return Finding(TWO_SEEDS, "runs of one width: 1", decide(False, False), {})
    ends = shared(ends)
    means = np.nanmean(ratio, axis=2)
    np.fill_diagonal(means, 0)
    w, v = np.unravel_index(means.argmax(), means.shape)
    return Finding(
        f"widths {x.widths[0]:.0f} and {x.widths[-1]:.0f}: {said(ends, 2, False)} tubes",
        "runs of one width: 1",
        decide(below(ends, TUBES), above(ends, TUBES)),
        {},
        f"progress {x.grid[0]:.2f} to {x.grid[-1]:.2f}; largest {x.widths[w]:.0f} to {x.widths[v]:.0f}: "
        f"{means[w, v]:.2f}",
    )


def between(corner: Corner) -> tuple[int, int] | None:
    """Return the numbers of the values of progress that are nearest to EARLY and LATE and reached by all runs.

    Runs that are not there do not count.  None where the two are less than APART from each other.
    """
    distances, width = _there(corner.distances), _there(corner.width)
    if not len(distances) or not len(width):
        return None
    known = np.flatnonzero(np.isfinite(distances).all(axis=0) & np.isfinite(width).all(axis=0))
    if not len(known):
        return None
    early, late = (known[np.abs(corner.grid[known] - at).argmin()] for at in (EARLY, LATE))
    return (int(early), int(late)) if corner.grid[late] - corner.grid[early] > APART - 1e-9 else None


def joins(corner: Corner) -> float:
    """Return the progress from which on the mean distance over seeds is within TIMES the mean width; NaN for never.

    Of runs that are there.  What is known of them goes on for LASTING of progress at least, or it is never.
    """
    distances, width = _there(corner.distances), _there(corner.width)
    if not len(distances) or not len(width):
        return math.nan
    distances, width = distances.mean(axis=0), width.mean(axis=0)
    at, known = joined_at(distances, TIMES * width, corner.grid), np.isfinite(distances + width)
    return at if known.any() and corner.grid[known][-1] - at > LASTING - 1e-9 else math.nan


def _there(curves):
    """Return the rows of curves (S, G) of which anything is known."""
    return curves[np.isfinite(curves).any(axis=1)]


def _lacking(seeds, kinds: Mapping[str, Corner], kept):
    """Return as a text which seeds are not kept (S,), and which have no usual run; nothing where all are there."""
    usual = np.any([np.isfinite(x.between) for x in kinds.values()], axis=0)
    texts = []
    for what, there in (("run from a corner", kept), ("usual run", usual)):
        lack = [str(seed) for seed, known in zip(seeds, there) if not known]
        texts += [f"a {what} of seed {', '.join(lack)} is not there"] if lack else []
    return "; ".join(texts)


def l8_random(found: Measured) -> Finding:
    """Runs from weights fitted to random labels join those that start as usual.

    At equal progress, the distance to the mean of usual runs of the same settings at progress EARLY over that at LATE,
    or at the nearest that all reached, APART or more; geometric mean over kinds, of seeds of which all kinds are there,
    two or more.  Errors over seeds are doubled (`shared`).  Holds if it is above SHRINKS, and the mean distance over
    seeds comes within TIMES that of a usual run to the mean of the others, for good, which is for LASTING of progress
    at least, for every kind; fails if it is below SHRINKS, or no kind comes there.
    """
    kinds = {kind: corner for kind, corner in found.corners.items() if kind.startswith(RANDOM)}
    if not kinds:
        return Finding("there are no such runs", "-", decide(False, False), {})
    kept = np.all([np.isfinite(corner.distances).any(axis=1) for corner in kinds.values()], axis=0)
    lacking = _lacking(found.seeds, kinds, kept)
    if kept.sum() < 2:
        return Finding("; ".join(filter(None, (TWO_SEEDS, lacking))), "-", decide(False, False), {})
    at = {kind: between(corner) for kind, corner in kinds.items()}
    if None in at.values():
        return Finding("runs have too little progress in common", "-", decide(False, False), {}, lacking)
    shrink, usual = {}, []
    for kind, corner in kinds.items():
        early, late = at[kind]
        shrink[kind] = corner.distances[kept, early] / corner.distances[kept, late]
        usual.append(corner.width[:, early] / corner.width[:, late])
    every = shared(np.exp(np.mean([np.log(x) for x in shrink.values()], axis=0)))
    usual = np.mean(usual, axis=0)
    joined = {kind: joins(corner) for kind, corner in kinds.items()}
    starts = {kind: said(corner.starts[kept], 2, False) for kind, corner in kinds.items()}
    told = ", ".join(f"{kind} {'not for good' if math.isnan(s) else f'from {s:.2f} on'}" for kind, s in joined.items())
    ranges = ", ".join(f"{kind} {x.grid[at[kind][0]]:.2f} to {x.grid[at[kind][1]]:.2f}" for kind, x in kinds.items())
    in_tube = np.isfinite(list(joined.values()))
    beside = (
        f"progress: {ranges}; runs begin at {', '.join(f'{kind} {x}' for kind, x in starts.items())}; divided by "
        + ", ".join(f"{kind} {said(shared(x), 1, False)}" for kind, x in shrink.items())
    )
    return Finding(
        f"distances divided by {said(every, 1, False)}; within {TIMES:g} tubes: {told}",
        f"usual runs among themselves: {said(shared(usual[np.isfinite(usual)]), 1, False)}",
        decide(above(every, SHRINKS) and bool(in_tube.all()), below(every, SHRINKS) or not in_tube.any()),
        {},
        "; ".join(filter(None, (beside, _ends(kinds, kept), lacking))),
    )


def _ends(kinds: Mapping[str, Corner], kept):
    """Return how far runs of the kept seeds (S,) begin and end from the ends of usual runs, as a text."""
    first, last = np.mean([corner.ends[kept] for corner in kinds.values()], axis=(0, 1))
    usual = known_mean(np.ravel([corner.between for corner in kinds.values()]), 0)
    if not np.isfinite(first + last / usual):
        return ""
    times = f"{last / usual:.1f} times what these are apart"
    return f"d_B from the ends of usual runs: first {first:.2f}, last {last:.3f}, {times}"


def l8_few(found: Measured) -> Finding:
    """... and those from weights fitted to few images end where the usual ones do.

    They begin at a progress that usual runs end at, so that ends are compared: the distance to last models of usual
    runs of other seeds, over that between these; geometric mean over kinds, of seeds of which all kinds are there, two
    or more.  Errors over seeds are doubled (`shared`).  Holds if it is above TIMES at first, and below at last; fails
    if it is above at last.
    """
    kinds = {kind: corner for kind, corner in found.corners.items() if kind.startswith(FEW)}
    if not kinds:
        return Finding("there are no such runs", "-", decide(False, False), {})
    kept = np.all([np.isfinite(corner.ends).all(axis=1) for corner in kinds.values()], axis=0)
    lacking = _lacking(found.seeds, kinds, kept)
    if kept.sum() < 2:
        return Finding("; ".join(filter(None, (TWO_SEEDS, lacking))), "-", decide(False, False), {})
    usual = np.nanmean([corner.between for corner in kinds.values()])
    ratios = {kind: corner.ends[kept] / np.nanmean(corner.between) for kind, corner in kinds.items()}
    first, last = (shared(x) for x in np.exp(np.mean([np.log(x) for x in ratios.values()], axis=0)).T)
    each = ", ".join(
        f"{kind} {said(shared(x[:, 0]), 1, False)} and {said(shared(x[:, 1]), 1, False)}, from progress "
        f"{said(kinds[kind].starts[kept], 2, False)}"
        for kind, x in ratios.items()
    )
    return Finding(
        f"from the ends of usual runs, over the distance between these: first {said(first, 1, False)}, "
        f"last {said(last, 1, False)}",
        f"usual runs of other seeds: 1 (d_B {usual:.3f})",
        decide(above(first, TIMES) and below(last, TIMES), above(last, TIMES)),
        {},
        "; ".join(filter(None, (each, lacking))),
    )


def l9(found: Measured) -> Finding:
    """Sloppy inputs make the manifold flatter.

    Explained stress of 3 axes of networks on inputs whose spectrum decays fast, less that on others, with all base
    points; SE over combinations of network, optimiser and batch size.  Holds if it is above LITTLE by 2 SE, and by two
    standard deviations over base points drawn anew; fails if it is below.
    """
    x = found.synthetic
    gap = x.stress[found.sloppy][:, -1] - x.stress[found.flat][:, -1]
    spread = x.bootstrap.std(ddof=1) if len(x.bootstrap) > 1 else 0.0

    def by_count(name):
        values = zip(x.counts, x.stress[name].mean(axis=0))
        return f"{name} " + ", ".join(f"{count}: {value:.3f}" for count, value in values)

    evaluation = x.evaluation[found.sloppy] - x.evaluation[found.flat]
    rest = np.delete(gap, gap.argmax())
    without = f"without the combination of the largest difference {said(rest, 3)}; " if len(rest) else ""
    return Finding(
        f"{said(gap, 3)} ({said(x.stress[found.sloppy][:, -1], 3, False)} and "
        f"{said(x.stress[found.flat][:, -1], 3, False)}), {x.counts[-1]} base points",
        f"data sets exchanged: 0, p = {x.p:.4f}",
        decide(above(gap, LITTLE) and bool(gap.mean() - 2 * spread > LITTLE), below(gap, LITTLE)),
        {},
        f"base points drawn anew: standard deviation {spread:.3f}; {without}evaluation {said(evaluation, 3)}; "
        f"by base points: {by_count(found.sloppy)}; {by_count(found.flat)}",
    )


def l10(found: Measured) -> Finding:
    """Harmonic and geometric means of runs at equal steps are further than arithmetic ones.

    Final progress on evaluation images, less that of the arithmetic mean; SE over combinations of network, optimiser
    and batch size.  Holds if both are above 0; fails if one is below.  There is no null but that of one run repeated,
    whose means are that run.
    """
    x = found.means
    if not len(x.counts):
        return Finding("no two runs of one network, optimiser and batch size", "-", decide(False, False), {})
    last = {kind: values[:, -1] for kind, values in x.progress.items()}
    gaps = [last[kind] - last["arithmetic"] for kind in ("harmonic", "geometric")]
    ordered = sorted(last, key=lambda kind: -last[kind].mean())
    told = ", ".join(f"{kind} {last[kind].mean():.3f} ({100 * x.error[kind][:, -1].mean():.1f} %)" for kind in ordered)
    return Finding(
        f"harmonic {said(gaps[0], 3)}, geometric {said(gaps[1], 3)}",
        "one run repeated: 0 by construction",
        decide(all(above(gap) for gap in gaps), any(below(gap) for gap in gaps)),
        {},
        f"progress (error): {told}; single runs {x.single['progress'][:, -1].mean():.3f} "
        f"({100 * x.single['error'][:, -1].mean():.1f} %)",
    )
