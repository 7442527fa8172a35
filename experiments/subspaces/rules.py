"""The rules of claims S1 to S12: what each asks of what was measured, and its null or control.

Rules were fixed before the seeds that they are applied to were trained; README.md has them in words.  SE is a standard
error of a mean over seeds of paired differences.  Accuracies are in points, hundredths.
"""

import numpy as np

from experiments.subspaces.kinds import FEWER, MIDDLE, NEAR, SINGLE, STOPPED, SWA, TWO
from experiments.subspaces.measured import Measured, middles
from experiments.subspaces.results import CLEAN, NOISY, REGIMES, UNDER, Scores
from learning.finding import Finding, above, below, decide, said

SLACK = 0.3  # points of accuracy that are no difference
S2_NLL, S2_ECE, S3_POINTS, S4_POINTS, S5_NLL, S6_LOW, S6_HIGH, S7_POINTS = 0.9, 0.5, 0.4, 5, 0.9, 0.01, 0.05, 5
S9_ERROR = 1e-10


def points(x: Scores) -> np.ndarray:
    """Return accuracies in points."""
    return 100 * np.asarray(x)


def s1(found: Measured) -> Finding:
    """No barrier: along each line and curve accuracy does not fall below its ends, and the middle is better than them.

    Holds if for all of them the barrier is above -SLACK, and the middle is above the mean of the ends in accuracy and
    below both in NLL, each by 2 SE.  Fails if any of these is the other way round by 2 SE.
    Control: the straight line between two networks trained apart.
    """
    good, bad, rows = [], [], []
    for (kind, regime), x in found.lines.items():
        gain = points(x.at("accuracy", 0.5) - x.ends("accuracy").mean(axis=1))
        loss = x.at("nll", 0.5) - x.ends("nll").min(axis=1)
        barrier = points(x.barrier)
        good.append(above(barrier, -SLACK) and above(gain) and below(loss))
        bad.append(below(barrier, -SLACK) or below(gain) or above(loss))
        rows.append(
            f"{kind}, {REGIMES[regime]}: barrier {said(barrier)}, middle {said(gain)} points, NLL {said(loss, 3)}"
        )
    null = [
        f"between two networks, {REGIMES[regime]}: barrier {said(points(x.barrier))}"
        for regime, x in found.between.items()
    ]
    return Finding("; ".join(rows), "; ".join(null), decide(all(good), any(bad)), {})


def s2(found: Measured) -> Finding:
    """Over-fit, clean: the middle is as accurate as a single network, and better in NLL and calibration.

    Holds if the accuracy is above that of a single network less SLACK, NLL below S2_NLL and ECE below S2_ECE times that
    of one, each by 2 SE.  Fails if any is the other way round by 2 SE.  Control: early stopping and label smoothing.
    """
    x, own = found.kinds[CLEAN], found.kinds[CLEAN][SINGLE]

    def beside(name):
        return points(x[name]["accuracy"] - own["accuracy"]), x[name]["nll"] / own["nll"], x[name]["ece"] / own["ece"]

    def texts(name):
        gain, nll, ece = beside(name)
        return f"accuracy {said(gain)}, NLL ratio {said(nll, sign=False)}, ECE ratio {said(ece, sign=False)}"

    gain, nll, ece = beside(MIDDLE)
    good = above(gain, -SLACK) and below(nll, S2_NLL) and below(ece, S2_ECE)
    bad = below(gain, -SLACK) or above(nll, S2_NLL) or above(ece, S2_ECE)
    controls = [f"{name}: {texts(name)}" for name in (STOPPED, "label smoothing")]
    return Finding(texts(MIDDLE), "; ".join(controls), decide(good, bad), {})


def s3(found: Measured) -> Finding:
    """Over-fit, clean: networks near the ends are as good an ensemble as two networks trained apart.

    Holds if the ensemble is at most S3_POINTS less accurate than that of two networks, more accurate than the middle,
    and of a lower NLL than two networks, each by 2 SE.  Fails if any is the other way round by 2 SE.
    """
    x = found.kinds[CLEAN]
    less = points(x[NEAR]["accuracy"] - x[TWO]["accuracy"])
    more = points(x[NEAR]["accuracy"] - x[MIDDLE]["accuracy"])
    loss = x[NEAR]["nll"] - x[TWO]["nll"]
    good = above(less, -S3_POINTS) and above(more) and below(loss)
    bad = below(less, -S3_POINTS) or below(more) or above(loss)
    value = f"to 2 networks: accuracy {said(less)}, NLL {said(loss, 3)}; to the middle: accuracy {said(more)}"
    half = x["2 networks, half the epochs"]
    fewer = points(half["accuracy"] - x[TWO]["accuracy"])
    control = f"2 networks of half the epochs: accuracy {said(fewer)}, NLL {said(half['nll'] - x[TWO]['nll'], 3)}"
    return Finding(value, control, decide(good, bad), {})


def s4(found: Measured) -> Finding:
    """40 % wrong labels: the middle is far more accurate than a single network, than SWA, and than two networks.

    Holds if it is S4_POINTS above a single network, and above the others, each by 2 SE.  Fails if any is the other way
    round by 2 SE.  Control: early stopping; the next claim is about that.
    """
    x = found.kinds[NOISY]
    gains = {name: points(x[MIDDLE]["accuracy"] - x[name]["accuracy"]) for name in (SINGLE, SWA, TWO)}
    bounds = {SINGLE: S4_POINTS, SWA: 0, TWO: 0}
    good = all(above(gains[name], bounds[name]) for name in gains)
    bad = any(below(gains[name], bounds[name]) for name in gains)
    value = "; ".join(f"over {name} {said(gain)}" for name, gain in gains.items())
    return Finding(value, _stopped(x, SINGLE, "over a single network"), decide(good, bad), {})


def s4_control(found: Measured) -> Finding:
    """40 % wrong labels: the middle is more accurate than a single network that is stopped in time.

    Holds if it is above both a network stopped by images held out and the best of whole schedules of fewer epochs, by
    2 SE.  Fails if it is below either by 2 SE.
    """
    x = found.kinds[NOISY]
    gains = {name: points(x[MIDDLE]["accuracy"] - x[name]["accuracy"]) for name in (STOPPED, FEWER)}
    value = "; ".join(f"over {name} {said(gain)}" for name, gain in gains.items())
    return Finding(value, "0", decide(all(map(above, gains.values())), any(map(below, gains.values()))), {})


def _stopped(x, beside, words):
    return "; ".join(
        f"{name} {words} {said(points(x[name]['accuracy'] - x[beside]['accuracy']))}" for name in (STOPPED, FEWER)
    )


def s5(found: Measured) -> Finding:
    """The middle against SWA: a lower NLL; as accurate with clean labels, more accurate with wrong ones.

    Holds if NLL is below S5_NLL times that of SWA at both levels, accuracy not below it by SLACK (clean), and above it
    (40 % wrong), each by 2 SE.  Fails if any is the other way round by 2 SE.
    """
    good, bad, rows = [], [], []
    for level, bound in ((CLEAN, -SLACK), (NOISY, 0)):
        x = found.kinds[level]
        ratio = x[MIDDLE]["nll"] / x[SWA]["nll"]
        gain = points(x[MIDDLE]["accuracy"] - x[SWA]["accuracy"])
        good.append(below(ratio, S5_NLL) and above(gain, bound))
        bad.append(above(ratio, S5_NLL) or below(gain, bound))
        rows.append(f"{REGIMES[level]}: NLL ratio {said(ratio, sign=False)}, accuracy {said(gain)}")
    controls = [
        f"{REGIMES[level]}, SWA over a single network: accuracy "
        + said(points(found.kinds[level][SWA]["accuracy"] - found.kinds[level][SINGLE]["accuracy"]))
        for level in (CLEAN, NOISY)
    ]
    return Finding("; ".join(rows), "; ".join(controls), decide(all(good), any(bad)), {})


def s6(found: Measured) -> Finding:
    """The penalty keeps vertices at right angles, and the ends farther apart in prediction space.

    Under-fit.  Holds if cos^2 is below S6_LOW with the penalty and above S6_HIGH without, and d_B of the ends is larger
    with it, each by 2 SE.  Fails if any is the other way round by 2 SE.
    """
    (cosine, apart), (free_cosine, free_apart) = found.geometry["line_under"], found.geometry["line_under-free"]
    more = apart - free_apart
    good = below(cosine, S6_LOW) and above(free_cosine, S6_HIGH) and above(more)
    bad = above(cosine, S6_LOW) or below(free_cosine, S6_HIGH) or below(more)
    value = f"cos^2 {said(cosine, 4, sign=False)}, d_B {said(apart, 4, sign=False)} ({said(more, 4)})"
    null = f"without: cos^2 {said(free_cosine, 4, sign=False)}, d_B {said(free_apart, 4, sign=False)}"
    return Finding(value, null, decide(good, bad), {})


def s7(found: Measured) -> Finding:
    """Without recalibration of batch norms the ends are worthless.

    Under-fit.  Holds if the mean of the ends loses S7_POINTS of accuracy, by 2 SE.  Fails if it loses less, by 2 SE.
    """
    x, raw = found.lines["line", UNDER], found.raw[UNDER]
    loss = points(x.ends("accuracy").mean(axis=1) - raw.ends("accuracy").mean(axis=1))
    middle = points(x.at("accuracy", 0.5) - raw.at("accuracy", 0.5))
    verdict = decide(above(loss, S7_POINTS), below(loss, S7_POINTS))
    return Finding(
        f"ends lose {said(loss, sign=False)} points", f"the middle loses {said(middle, sign=False)}", verdict, {}
    )


def s8(found: Measured) -> Finding:
    """Layerwise lines have better middles, or weaker ends, than global ones.

    Under-fit.  Holds if accuracy of the middle less that of the ends is larger than for global lines, by 2 SE.  Fails
    if it is smaller by 2 SE.
    """
    gain = {
        kind: points(x.at("accuracy", 0.5) - x.ends("accuracy").mean(axis=1))
        for kind, x in ((kind, found.lines[kind, UNDER]) for kind in ("line", "layerwise line"))
    }
    more = gain["layerwise line"] - gain["line"]
    value = f"{said(gain['layerwise line'])} ({said(more)})"
    return Finding(value, f"global line {said(gain['line'])}", decide(above(more), below(more)), {})


def s9(found: Measured) -> Finding:
    """What an ensemble of two gains in NLL, by the mean of logits, is exactly the distance of the two.

    Holds if the largest error of all pairs, levels and seeds is below S9_ERROR in float64.  Fails if it is not.
    """
    errors = [x["identity"].max() for level in found.pairs.values() for x in level.values()]
    count = sum(len(x["identity"]) for level in found.pairs.values() for x in level.values())
    apart = np.mean([x["d_B"].mean() for level in found.pairs.values() for x in level.values()])
    largest = float(max(errors))
    value = f"largest error {largest:.1e} of {count} pairs"
    return Finding(value, f"distances of {apart:.3f} on average", decide(largest < S9_ERROR, largest >= S9_ERROR), {})


def under_fit(found: Measured) -> Finding:
    """Under-fit: the middle is as accurate as a single network.

    Holds if its accuracy is above that less SLACK by 2 SE, fails if it is below by 2 SE.  Not expected at this scale: a
    step moves the middle less.  Control: the rate times (m + 1) / 2.
    """
    own = found.under[SINGLE]["accuracy"]
    gain = points(found.lines["line", UNDER].at("accuracy", 0.5) - own)
    fast = points(found.fast.at("accuracy", 0.5) - own)
    return Finding(said(gain), f"at the larger rate {said(fast)}", decide(above(gain, -SLACK), below(gain, -SLACK)), {})


def more_vertices(found: Measured) -> Finding:
    """The barycentre of a simplex is the more accurate the more vertices there are.

    Holds if the slope of accuracy by n is above 0, over-fit and under-fit, by 2 SE.  Fails if it is below 0 in either
    by 2 SE.  Not expected at this scale.
    """
    slopes = {regime: slope(found, regime) for regime in (CLEAN, UNDER)}
    value = "; ".join(f"{REGIMES[regime]}: {said(x)} points a vertex" for regime, x in slopes.items())
    return Finding(value, "0", decide(all(map(above, slopes.values())), any(map(below, slopes.values()))), {})


def slope(found: Measured, regime: str) -> np.ndarray:
    """Return the slope (S,) of the accuracy of middles, in points, by the number of vertices, a line being 2."""
    by_vertices = middles(found, regime)
    n, values = np.array(list(by_vertices)), points(np.array(list(by_vertices.values())))
    return (n - n.mean()) @ (values - values.mean(axis=0)) / np.square(n - n.mean()).sum()


def calibrated_under_noise(found: Measured) -> Finding:
    """40 % wrong labels: the middle is better calibrated than a single network.

    Holds if its ECE is below that of a single network by 2 SE, fails if above by 2 SE.  Not expected: labels of
    evaluation are clean, and who learns from wrong ones is less sure than right.  Control: early stopping.
    """
    x = found.kinds[NOISY]
    more = x[MIDDLE]["ece"] - x[SINGLE]["ece"]
    control = x[STOPPED]["ece"] - x[SINGLE]["ece"]
    return Finding(said(more, 3), f"{STOPPED} {said(control, 3)}", decide(below(more), above(more)), {})
