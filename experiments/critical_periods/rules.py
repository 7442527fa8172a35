"""The rules of the claims on accuracy and reachability: what each asks of what was measured, and its null or control.

Rules were fixed before the networks that they are applied to were trained; README.md has them in words.  SE is the
standard error of a mean over seeds; a bound is passed if the mean is on that side of it by more than 2 SE.  A drop is
the accuracy of the control of the same seed, as many epochs and the same rate without a deficit, less that at the end.
Points are hundredths of accuracy.
"""

from collections.abc import Sequence

import numpy as np

from experiments.critical_periods.measured import NONE, Key, Measured, chance
from learning.finding import Finding, above, below, decide, ranks, said

HARM, SPREADS = 0.02, 5  # a drop: of accuracy, and standard deviations over seeds
LITTLE = 1 / 3  # of the drop of blur, that what does no harm may have
CLEAR = 0.01  # a drop of accuracy that is one in other networks and with other rates
LATE = 10  # epochs, from which on windows are late
FALLS = -0.8  # rank correlation of distance with onset
FAR = 2  # times the distance between seeds
OTHERS = "permuted_labels", "random_labels", "noise", "constant"


def points(values: np.ndarray) -> str:
    """Return accuracies in words, in points, with their error."""
    return said(100 * np.asarray(values), 1)


def blur_of(found: Measured) -> str:
    """Return the name of the strong blur."""
    return max({key.deficit for key in found.conditions if key.deficit.startswith("blur")}, key=lambda x: int(x[4:]))


def ends_of(found: Measured, protocol: str, deficit: str) -> list[int]:
    """Return the ends of a deficit from epoch 0 on."""
    return sorted(key.end for key in found.ends if key[:3] == (protocol, deficit, 0))


def longest(found: Measured, protocol: str, deficit: str = "flip") -> Key:
    """Return the condition of the longest deficit from epoch 0 on."""
    return Key(protocol, deficit, 0, ends_of(found, protocol, deficit)[-1])


def null(found: Measured, key: Key) -> str:
    """Return the permutation p of a drop."""
    p = chance(found.conditions[key.control].accuracy, found.conditions[key].accuracy)
    return f"labels of conditions permuted: p = {p:.3f}" if len(found.seeds) > 1 else "control: 0"


def e17(found: Measured) -> Finding:
    """The longer images were blurred, the worse a network is for good, though it learns as long without as all others.

    Holds if mean accuracies at the end fall from each length to the next, from none on, and the drop of the longest is
    above HARM and more than SPREADS standard deviations of controls; fails if the drop is below one of both, or an
    accuracy rises by 2 SE.
    """
    blur = blur_of(found)
    keys = [Key("restart", blur, 0, end) for end in ends_of(found, "restart", blur)]
    curve = np.array([found.conditions[key].accuracy for key in (Key("restart", NONE), *keys)])
    drop, bound = found.drop(keys[-1]), max(HARM, SPREADS * found.spread)
    falling, rising = bool((np.diff(curve.mean(axis=1)) < 0).all()), any(above(x) for x in np.diff(curve, axis=0))
    told = ", ".join(f"{key.end:g}: {points(found.drop(key))}" for key in keys)
    return Finding(
        f"points, by epochs of blur: {told}; standard deviation {100 * found.spread:.2f}",
        null(found, keys[-1]),
        decide(falling and above(drop, bound), below(drop, bound) or rising),
        {},
    )


def _little(found: Measured, key: Key, reference: Key, what: str) -> tuple[str, bool, bool]:
    """Return a text, and whether a drop is below LITTLE times that of a reference, and whether it is above."""
    gap = found.drop(key) - LITTLE * found.drop(reference)
    return f"{what} {points(found.drop(key))}", below(gap), above(gap)


def e17_epochs(found: Measured) -> Finding:
    """... and not because of more epochs: without a deficit, as many more do no such harm.

    Accuracy of 60 epochs alone less that of as many after the longest time without a deficit.  Holds if it is below
    LITTLE of the drop of blur; fails if it is above.
    """
    key = longest(found, "restart", blur_of(found))
    lost = found.conditions[Key("restart", NONE)].accuracy - found.conditions[key.control].accuracy
    gap = lost - LITTLE * found.drop(key)
    return Finding(
        f"{key.end:g} more epochs {points(lost)}",
        f"blur {points(found.drop(key))}",
        decide(below(gap), above(gap)),
        {},
    )


def e17_weak(found: Measured) -> Finding:
    """... and not of any blur: a weak one does no such harm (a null).

    Holds if its drop is below LITTLE of that of the strong one; fails if it is above.
    """
    weak = min({k.deficit for k in found.ends if k.deficit.startswith("blur")}, key=lambda x: int(x[4:]))
    key = longest(found, "restart", weak)
    reference = longest(found, "restart", blur_of(found))
    text, good, bad = _little(found, key, reference, f"factor {weak[4:]}:")
    return Finding(text, f"factor {reference.deficit[4:]}: {points(found.drop(reference))}", decide(good, bad), {})


def _clear(found: Measured, key: Key) -> Finding:
    """Return what is found of a drop that is to be above CLEAR."""
    drop = found.drop(key)
    value = f"{key.end:g} epochs of blur: {points(drop)}"
    return Finding(value, null(found, key), decide(above(drop, CLEAR), below(drop, CLEAR)), {})


def e17_cnn(found: Measured) -> Finding:
    """... also in a CNN.

    Holds if the drop of the longest blur is above CLEAR; fails if it is below.
    """
    return _clear(found, longest(found, "cnn", blur_of(found)))


def e17_constant(found: Measured) -> Finding:
    """... also where the learning rate never falls.

    As in a CNN.
    """
    return _clear(found, longest(found, "constant", blur_of(found)))


def e20(found: Measured) -> Finding:
    """Images upside down do no such harm.

    After the longest deficit.  Holds if the drop is below LITTLE of that of blur; fails if it is above.
    """
    return _harmless(found, "restart", ("flip",))


def e20_labels(found: Measured) -> Finding:
    """... nor do permuted labels.

    As E20.
    """
    return _harmless(found, "restart", ("permuted_labels",))


def e20_cnn(found: Measured) -> Finding:
    """... also in a CNN.

    As E20, of a CNN.
    """
    return _harmless(found, "cnn", ("flip",))


def _harmless(found: Measured, protocol: str, kinds: Sequence[str]) -> Finding:
    reference = longest(found, protocol, blur_of(found))
    each = [_little(found, longest(found, protocol, kind), reference, _name(kind)) for kind in kinds]
    beside = ""
    if kinds[0] in OTHERS:
        there = [kind for kind in OTHERS if kind not in kinds and ends_of(found, protocol, kind)]
        beside = ", ".join(f"{_name(kind)} {points(found.drop(longest(found, protocol, kind)))}" for kind in there)
    return Finding(
        "; ".join(text for text, _, _ in each),
        f"blur {points(found.drop(reference))}",
        decide(all(good for _, good, _ in each), any(bad for _, _, bad in each)),
        {},
        beside,
    )


def _name(kind):
    return kind.replace("_", " ")


def e20_annealed(found: Measured) -> Finding:
    """A confound: where the rate falls from the first epoch on a flip does more harm, since little of it is left.

    Drop with an annealed rate less that with one that begins again, of the longest flip, of perceptrons and CNNs.
    Holds if both are above 0; fails if one is below.
    """
    rows, gaps = [], []
    for name, plain, annealed in (("perceptron", "restart", "annealed"), ("CNN", "cnn", "cnn-annealed")):
        key = longest(found, annealed)
        same = Key(plain, *key[1:])
        gaps.append(found.drop(key) - found.drop(same))
        rows.append(f"{name}: {points(found.drop(key))}, begun again {points(found.drop(same))}")
    good, bad = all(above(x) for x in gaps), any(below(x) for x in gaps)
    blurs = [f"{points(found.drop(longest(found, p, blur_of(found))))}" for p in ("annealed", "cnn-annealed")]
    return Finding("; ".join(rows), f"blur, annealed: {', '.join(blurs)}", decide(good, bad), {})


def windows(found: Measured, protocol: str, deficit: str) -> list[Key]:
    """Return the conditions of a window of one length, by onset."""
    return sorted(key for key in found.ends if key[:2] == (protocol, deficit))


def _onset(found: Measured, protocol: str) -> Finding:
    """Return what is found of drops by onset: the first is to be above all late ones."""
    keys = windows(found, protocol, blur_of(found))
    drops = np.array([found.drop(key) for key in keys])
    late = drops[[key.onset >= LATE for key in keys]]
    gaps = drops[0] - late
    told = ", ".join(f"{key.onset:g}: {points(drop)}" for key, drop in zip(keys, drops))
    good = len(gaps) > 0 and all(above(x) for x in gaps)
    return Finding(f"points, by onset: {told}", "no onset matters: 0", decide(good, any(below(x) for x in gaps)), {})


def e18(found: Measured) -> Finding:
    """Blur does most harm early: of windows of one length, that at the onset of training lowers accuracy most.

    The rate falls from the first epoch on, as published.  Holds if the drop at onset 0 is above that at every onset
    from LATE on; fails if it is below one.
    """
    return _onset(found, "window")


def e18_constant(found: Measured) -> Finding:
    """... and not because the rate is larger early: also with a constant one.

    As E18.
    """
    return _onset(found, "window-constant")


def e18_restart(found: Measured) -> Finding:
    """... also where as many clean epochs follow with the same rates, which were constant before.

    Blur of 40 epochs in networks that have learned for 0, 20 or 40.  Holds if the drop at onset 0 is above both
    others; fails if it is below one.
    """
    blur = blur_of(found)
    later = sorted(key for key in found.ends if key[:2] == ("restart", blur) and key.onset)
    length = later[-1].end - later[-1].onset if later else 0
    first = [key for key in found.ends if key == Key("restart", blur, 0, length)]
    first = first or [longest(found, "restart", blur)]
    gaps = [found.drop(first[0]) - found.drop(key) for key in later]
    told = ", ".join(f"{key.onset:g}: {points(found.drop(key))}" for key in (*first, *later))
    good = bool(gaps) and all(above(x) for x in gaps)
    return Finding(f"points, by onset: {told}", "no onset matters: 0", decide(good, any(below(x) for x in gaps)), {})


def e18_distance(found: Measured) -> Finding:
    """... and networks end the further from where they would have been, the earlier it was, unlike after a flip.

    Rank correlation with the onset of rho, the distance d_B of the end to controls of other seeds over that between
    these.  Holds if it is below FALLS for blur and above for flip; fails if one is on the other side.
    """
    return _distance(found, "window", ("flip",))


def e18_distance_constant(found: Measured) -> Finding:
    """... also with a constant rate.

    As E18c, of blur alone.
    """
    return _distance(found, "window-constant", ())


def _distance(found: Measured, protocol: str, others: Sequence[str]) -> Finding:
    rows, orders, cooled = [], {}, []
    for kind in (blur_of(found), *others):
        keys = windows(found, protocol, kind)
        onsets = np.array([key.onset for key in keys], float)
        ratios = np.array([found.ends[key].ratio for key in keys]).T
        orders[kind] = ranks(onsets, ratios)
        told = ", ".join(f"{onset:g}: {said(x, 1, False)}" for onset, x in zip(onsets, ratios.T))
        rows.append(f"{_name(kind)}: rank correlation {said(orders[kind])}, rho {told}")
        warm = ranks(onsets, np.array([found.ends[key].ratio_cooled for key in keys]).T)
        cooled.append(f"{_name(kind)} {said(warm)}")
    first, *rest = orders.values()
    good = below(first, FALLS) and all(above(x, FALLS) for x in rest)
    bad = above(first, FALLS) or any(below(x, FALLS) for x in rest)
    beside = f"at one entropy {', '.join(cooled)}"
    return Finding("; ".join(rows), "no order: 0; controls of other seeds: 1", decide(good, bad), {}, beside)
