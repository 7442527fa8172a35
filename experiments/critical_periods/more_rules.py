"""The rules of the claims on Fisher information, layers and trajectories; `rules` has the others."""

import numpy as np

from experiments.critical_periods.measured import NONE, Key, Measured
from experiments.critical_periods.rules import FAR, LITTLE, OTHERS, blur_of, ends_of, longest, points, windows
from learning.finding import Finding, above, below, decide, said

FALL, EARLY = 3, 20  # of Fisher information: by how much, and the epochs within which its peak is
BEGUN = 1  # epochs, from which on it is looked at in the controls of its fall
LONG = 10  # of its peak, when it has fallen for long
MOVES = 0.05  # of the length of a trajectory, that is left after the fall
COURSE = Key("window", NONE)  # the control whose course is looked at, with an annealed rate


def e9(found: Measured) -> Finding:
    """In training the Fisher information rises, then falls.

    tr F on training images, without a deficit.  Holds if its peak is above its first value, above FALL times the last
    one, and before epoch EARLY; fails if one of these is on the other side, or all peaks are at the beginning.
    """
    x = found.conditions[COURSE]
    trace = x["trace"]
    peak, at = trace.max(axis=1), x.epochs[trace.argmax(axis=1)]
    known = bool(np.isfinite(trace).all())
    good = known and above(peak / trace[:, 0], 1) and above(peak / trace[:, -1], FALL) and below(at, EARLY)
    bad = known and (below(peak / trace[:, -1], FALL) or above(at, EARLY) or bool((at == 0).all()))
    return Finding(
        f"peak / first {said(peak / trace[:, 0], 1, False)}, peak / last {said(peak / trace[:, -1], 1, False)}, "
        f"at epoch {said(at, 1, False)} of {x.epochs[-1]:g}",
        "no change: 1",
        decide(good, bad),
        {},
    )


def _fall(found: Measured, values: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the value (S,) at epoch BEGUN over the last one, and its verdict: above FALL, or below."""
    at = int(np.argmin(np.abs(found.conditions[COURSE].epochs - BEGUN)))
    ratio = values[:, at] / values[:, -1]
    return ratio, decide(above(ratio, FALL), below(ratio, FALL))


def e9_entropy(found: Measured) -> Finding:
    """... and it falls not because networks become sure: also at one entropy.

    tr F at the temperature at which predictions have 0.5 nats, after one epoch over that at the end.  Holds if it is
    above FALL; fails if it is below.
    """
    x = found.conditions[COURSE]
    ratio, verdict = _fall(found, x["trace_at_entropy"])
    per = _fall(found, x["trace"] / x["entropy"])[0]
    return Finding(
        f"epoch {BEGUN} / last {said(ratio, 1, False)}",
        f"as it is: {said(_fall(found, x['trace'])[0], 1, False)}",
        verdict,
        {},
        f"for each nat of entropy {said(per, 2, False)}",
    )


def e9_held_out(found: Measured) -> Finding:
    """... and also on other images.

    As E9b, of tr F on images that were not learned from.
    """
    x = found.conditions[COURSE]
    ratio, verdict = _fall(found, x["trace_held_out"])
    as_is = f"training images: {said(_fall(found, x['trace'])[0], 1, False)}"
    return Finding(f"epoch {BEGUN} / last {said(ratio, 1, False)}", as_is, verdict, {})


def e21(found: Measured) -> Finding:
    """Early blur moves information between layers, a flip does not.

    Total-variation distance of the shares of layers in tr F, at one entropy and the end of training, from controls of
    other seeds, over that between these; of windows at onset 0.  Holds if it is above FAR for blur and below for flip;
    fails if one is on the other side.
    """
    keys = {kind: windows(found, "window", kind) for kind in (blur_of(found), "flip")}
    late = ", ".join(f"{kind} {said(found.moved_layers(each[-1]), 1, False)}" for kind, each in keys.items())
    told, (blur, flip) = _layers(found, {kind: each[0] for kind, each in keys.items()})
    return Finding(
        told,
        "controls of other seeds: 1",
        decide(above(blur, FAR) and below(flip, FAR), below(blur, FAR) or above(flip, FAR)),
        {},
        f"at onset {keys['flip'][-1].onset:g}: {late}",
    )


def e21_removal(found: Measured) -> Finding:
    """... also after a long deficit, with a rate that begins again; of a flip, if at all, a part of it.

    Of the longest deficits, less 1.  Holds if it is above FAR - 1 for blur, and that of flip below LITTLE of that;
    fails if one is on the other side.
    """
    kinds = blur_of(found), "flip"
    keys = {kind: longest(found, "restart", kind) for kind in kinds}
    others = [kind for kind in OTHERS if ends_of(found, "restart", kind)]
    more = {kind: found.moved_layers(longest(found, "restart", kind)) for kind in others}
    beside = ", ".join(f"{kind.replace('_', ' ')} {said(x, 1, False)}" for kind, x in more.items())
    told, (blur, flip) = _layers(found, keys)
    gap = (flip - 1) - LITTLE * (blur - 1)
    again = found.moved_layers(Key("restart", NONE), keys["flip"].control)
    return Finding(
        told,
        f"controls of other seeds: 1, of other epochs: {said(again, 1, False)}",
        decide(above(blur, FAR) and below(gap), below(blur, FAR) or above(gap)),
        {},
        beside,
    )


def _layers(found: Measured, keys: dict[str, Key]) -> tuple[str, list[np.ndarray]]:
    """Return what is found of the layers of two conditions in words, and the distances."""
    values = {kind: found.moved_layers(key) for kind, key in keys.items()}
    every = (*keys.values(), next(iter(keys.values())).control)
    first = [said(found.conditions[key].shares[:, -1, 0], 2, False) for key in every]
    told = "; ".join(f"{kind} {said(x, 1, False)}" for kind, x in values.items())
    return f"{told}; share of the first layer {first[0]}, {first[1]}, control {first[2]}", list(values.values())


def e19(found: Measured) -> Finding:
    """Solutions go on moving when the Fisher information has fallen, and gain nothing.

    After the first checkpoint from which on tr F stays below 1 / FALL of its peak: the part of the length of the
    trajectory, 2 sum sqrt d_B, that is left, and the change of accuracy.  Holds if the first is above MOVES and the
    mean change is less than a standard deviation over seeds; fails if one is on the other side by 2 SE.
    """
    x = found.conditions[COURSE]
    (left, gain, at), (later, more, since) = (_left(x, part) for part in (FALL, LONG))
    good = above(left, MOVES) and bool(abs(gain.mean()) < found.spread)
    bad = below(left, MOVES) or above(gain, found.spread) or below(gain, -found.spread)
    return Finding(
        f"{said(100 * left, 0, False)} % of the length, from epoch {said(at, 0, False)} on; accuracy {points(gain)} "
        "points",
        f"still: 0 %; standard deviation {100 * found.spread:.2f} points",
        decide(good, bad),
        {},
        f"from 1 / {LONG} of the peak on, epoch {said(since, 0, False)}: {said(100 * later, 1, False)} %, "
        f"{points(more)} points",
    )


def _left(x, part):
    """Return the part of the length, the gain of accuracy and the epoch, each (S,), after tr F fell for good."""
    at = fallen(x["trace"], part)
    lengths = 2 * np.sqrt(np.maximum(x.steps, 0))
    left = np.array([row[k:].sum() / row.sum() for row, k in zip(lengths, at)])
    return left, np.array([row[-1] - row[k] for row, k in zip(x["accuracy"], at)]), x.epochs[at]


def fallen(trace: np.ndarray, part: float = FALL) -> np.ndarray:
    """Return the first checkpoint (S,) from which on tr F (S, T) is below 1 / part of its peak; the last, if never."""
    over = trace >= trace.max(axis=1, keepdims=True) / part
    return np.minimum(trace.shape[1] - over[:, ::-1].argmax(axis=1), trace.shape[1] - 1)


def e16(found: Measured) -> Finding:
    """Two tasks that look alike may be out of reach: what learned blurred images ends elsewhere on sharp ones.

    After the longest deficit, as many clean epochs and the same rates as the control.  Holds if rho is above FAR for
    blur, and the excess rho - 1 of permuted labels and of flip are below half of it; fails if rho of blur is below FAR,
    or an excess is above half.
    """
    kinds = ("flip", "permuted_labels")
    ends = {kind: found.ends[longest(found, "restart", kind)] for kind in (blur_of(found), *kinds)}
    ratios = {kind: x.ratio for kind, x in ends.items()}
    blur, *others = ratios.values()
    gaps = [(x - 1) - (blur - 1) / 2 for x in others]
    told = "; ".join(f"{kind.replace('_', ' ')} {said(x, 1, False)}" for kind, x in ratios.items())
    cooled = ", ".join(f"{kind.replace('_', ' ')} {said(x.ratio_cooled, 1, False)}" for kind, x in ends.items())
    again = said(found.again.ratio, 1, False) if found.again else "1"
    return Finding(
        f"rho {told}",
        f"controls of other epochs: {again}",
        decide(above(blur, FAR) and all(below(x) for x in gaps), below(blur, FAR) or any(above(x) for x in gaps)),
        {},
        f"at one entropy {cooled}",
    )


def e16_tube(found: Measured) -> Finding:
    """... and its way stays outside the tube of networks that never saw a deficit; after a flip it is joined again.

    At equal progress, after the longest deficit: the distance to the mean of controls of other seeds, over the largest
    of a control, at the last progress where both are known.  Holds if it is above 1 for blur and below that of blur for
    flip, by LITTLE of its excess; fails if it is below 1 for blur, or above for flip.
    """
    tubes = {kind: found.tubes.get(longest(found, "restart", kind)) for kind in (blur_of(found), "flip")}
    if None in tubes.values():
        return Finding("three seeds or more are needed", "controls: at most 1", decide(False, False), {})
    blur, flip = (x.excess for x in tubes.values())
    gap = (flip - 1) - LITTLE * (blur - 1)
    joined = [f"{kind} {_joined(x.joined)}" for kind, x in tubes.items()]
    return Finding(
        f"last distance / width: blur {said(blur, 1, False)}, flip {said(flip, 1, False)}; in the tube: "
        f"{', '.join(joined)}",
        "controls: at most 1",
        decide(above(blur, 1) and below(gap), below(blur, 1) or above(gap)),
        {},
    )


def _joined(progress):
    known = progress[np.isfinite(progress)]
    return f"{len(known)} of {len(progress)} seeds" + (f", from progress {known.mean():.2f} on" if len(known) else "")


def geodesic(found: Measured) -> Finding:
    """... and it ends further from the geodesic from ignorance to truth than others.

    d_B of the last network to the nearest point of the geodesic, less that of the control of the same seed.  Holds if
    it is above 0 for blur, and that of flip below half of it; fails if one is on the other side.
    """
    off = {}
    for kind in (blur_of(found), "flip"):
        key = longest(found, "restart", kind)
        off[kind] = found.conditions[key]["off"][:, -1] - found.conditions[key.control]["off"][:, -1]
    blur, flip = off.values()
    gap = flip - blur / 2
    control = found.conditions[longest(found, "restart").control]["off"][:, -1]
    return Finding(
        f"blur {said(blur, 3)}, flip {said(flip, 3)}",
        f"0; control at {said(control, 3, False)}",
        decide(above(blur) and below(gap), below(blur) or above(gap)),
        {},
    )
