"""The rules of claims Y1 to Y11, A1, N1, N2 and D1: what each asks of what was measured, and its null or control.

Rules were fixed before the networks that they are applied to were trained; README.md has them in words.  SE is a
standard error of a mean over pairs, both directions of a pair being averaged first, or over networks.  A rule that asks
something of every layer holds if it does at each by 2 SE, and fails if it is the other way round at any by 2 SE.
"""

import itertools
from collections.abc import Callable

import numpy as np

from experiments.symmetries import groups
from experiments.symmetries.measured import (
    ALIGNED,
    ANY,
    BEFORE,
    FITTED_ROTATION,
    G_RELU,
    IDENTITY,
    MATCHED,
    NOISE,
    PERMUTED,
    PLANTED,
    RANDOM_LABELS,
    RANDOM_PERMUTATION,
    RANDOM_ROTATION,
    RANK_1,
    RANK_2,
    RANK_4,
    REPAIRED,
    ROTATED,
    SAME,
    SCALED,
    SCALED_MORE,
    UNTRAINED,
    WREATH,
    Measured,
    by_layer,
)
from learning.finding import Finding, above, below, decide, said

SHOWCASE, NARROW = 48, 16  # widths
Y1_SAME, Y1_OTHER, Y1_DISTANCE = 1e-5, 0.05, 1e-12
Y2_SCALES, Y2_ALIKE = 1e-4, 1e-6
Y3_SAME, Y3_OTHER = 1e-3, 0.97
Y4_ROUNDING = 1e-7
Y5_WORTHLESS, Y5_THIRD = 50, 1 / 3
Y6_MORE, Y6_LAST = 60, 3
Y7_MORE, Y7_FREE = 3, 1.5
Y9_SAME = 0.01
Y11 = {"maximum": (0.389, 0.0726), "at 2": (2.0, 0.1767), "slope": (1e6, 0.12675)}
Y11_ERROR = 5e-5
D1_LESS = 0.9
A1_LESS = 0.5


def everywhere(values: np.ndarray, good: Callable, bad: Callable, bound: float = 0) -> tuple[bool, bool]:
    """Return whether values (D, L) are good at each layer, and whether they are bad at any."""
    return all(good(x, bound) for x in values.T), any(bad(x, bound) for x in values.T)


def y1(found: Measured) -> Finding:
    """A random symmetry of all layers leaves outputs as they are; random rotations do not.

    In float64.  Holds if for every network the largest change of outputs is below Y1_SAME of the largest output and d_B
    below Y1_DISTANCE, and the change by rotations above Y1_OTHER; fails otherwise.
    """
    rows, nulls, good = [], [], True
    for name, x in found.unchanged.items():
        same, turned = x["symmetry"], x["rotation"]
        good &= bool((same["change"] < Y1_SAME).all() and (same["d_B"] < Y1_DISTANCE).all())
        good &= bool((turned["change"] > Y1_OTHER).all())
        rows.append(f"{name}: {same['change'].max():.0e}, d_B {same['d_B'].max():.0e}")
        nulls.append(f"{name}: {turned['change'].min():.2f}, d_B {turned['d_B'].min():.2f}")
    return Finding("at most " + "; ".join(rows), "rotations, at least " + "; ".join(nulls), decide(good, not good), {})


def y2(found: Measured) -> Finding:
    """A planted symmetry of a trained network is found: permutation, scales, no penalty, and metrics of 1.

    Holds if at every layer of every network all live channels are matched right, scales to Y2_SCALES, accuracy does not
    change, and wreath metrics are 1 to Y2_ALIKE; fails otherwise.  Null: a random permutation.
    """
    good = True
    for x in found.recovered.values():
        good &= bool((x["found"] == 1).all() and (x["scale_error"] < Y2_SCALES).all())
        good &= bool((x["accuracy_change"] == 0).all())
        good &= bool((np.minimum(x["wreath_procrustes"], x["wreath_cka"]) > 1 - Y2_ALIKE).all())
    rows = [
        f"{name}: {100 * x['found'].min():.0f} % of channels, scales to {x['scale_error'].max():.0e}"
        for name, x in found.recovered.items()
    ]
    penalty = found.kinds[PLANTED].penalty
    null = f"random permutation: penalty {by_layer(found.kinds[RANDOM_PERMUTATION].by_pair)}"
    value = f"{'; '.join(rows)}; as runs, penalty {penalty.min():.2f} to {penalty.max():.2f}"
    return Finding(value, null, decide(good, not good), {})


def y3(found: Measured) -> Finding:
    """Metrics do not change under what they are to be invariant to: wreath ones G_ReLU, the others rotations.

    Holds if those are 1 to Y3_SAME, and wreath CKA under rotations is below Y3_OTHER, at every layer; fails otherwise.
    """
    x = found.invariance
    same = {
        "wreath Procrustes": x["wreath_procrustes"]["symmetry"],
        "wreath CKA": x["wreath_cka"]["symmetry"],
        "orthogonal Procrustes": x["orthogonal_procrustes_whole"]["rotation"],
        "linear CKA": x["linear_cka"]["rotation"],
    }
    other = x["wreath_cka"]["rotation"]
    good = all((abs(1 - values) < Y3_SAME).all() for values in same.values()) and bool((other < Y3_OTHER).all())
    value = "at least " + ", ".join(f"{name} {values.min():.6f}" for name, values in same.items())
    null = f"wreath CKA under rotations {other.min():.2f} to {other.max():.2f}"
    return Finding(value, null, decide(good, not good), {})


def y4(found: Measured) -> Finding:
    """Scaled alike, orthogonal similarity is never below wreath similarity, by Procrustes.

    Holds if the difference is above -Y4_ROUNDING for every pair, width and layer; fails otherwise.
    """
    differ = np.concatenate(
        [(x["orthogonal Procrustes"] - x["wreath Procrustes"]).ravel() for x in found.similar.values()]
    )
    good = bool((differ > -Y4_ROUNDING).all())
    value = f"difference {differ.min():.3f} to {differ.max():.3f} in {len(differ)} cases"
    return Finding(value, "0", decide(good, not good), {})


def _order(kinds, names):
    """Return whether penalties of kinds are in order, or reversed somewhere, and the differences as texts."""
    steps = [kinds[b].by_pair - kinds[a].by_pair for a, b in itertools.pairwise(names)]
    each = [everywhere(step, above, below) for step in steps]
    texts = [f"{b} less {a}: {by_layer(step)}" for (a, b), step in zip(itertools.pairwise(names), steps)]
    return all(good for good, _ in each), any(bad for _, bad in each), "; ".join(texts)


def y5(found: Measured) -> Finding:
    """At width 48: any matrix < permutation with scales < rank 4 < rank 2 < rank 1 in penalty, at every layer.

    Holds if each difference is above 0 at every layer by 2 SE; fails if any is below 0 by 2 SE.
    """
    good, bad, text = _order(found.kinds, (ANY, G_RELU, RANK_4, RANK_2, RANK_1))
    null = "; ".join(f"{name} {by_layer(found.kinds[name].by_pair)}" for name in (ANY, G_RELU, IDENTITY))
    return Finding(text, f"penalties: {null}", decide(good, bad), {})


def y5_narrow(found: Measured) -> Finding:
    """At width 16, all that is left of the order: any matrix < permutation with scales < rank 1, at every layer."""
    x = found.widths[NARROW]
    steps = [x[b].penalty - x[a].penalty for a, b in ((ANY, G_RELU), (G_RELU, RANK_1))]
    each = [everywhere(step, above, below) for step in steps]
    texts = f"permutation less any: {by_layer(steps[0])}; rank 1 less permutation: {by_layer(steps[1])}"
    return Finding(texts, "0", decide(all(g for g, _ in each), any(b for _, b in each)), {})


def y5_controls(found: Measured) -> Finding:
    """Identity, a random permutation and a random rotation are worthless: more than Y5_WORTHLESS points, everywhere."""
    each = {
        name: everywhere(found.kinds[name].by_pair, above, below, Y5_WORTHLESS)
        for name in (IDENTITY, RANDOM_PERMUTATION, RANDOM_ROTATION)
    }
    value = "; ".join(f"{name} {by_layer(found.kinds[name].by_pair)}" for name in each)
    good, bad = all(g for g, _ in each.values()), any(b for _, b in each.values())
    return Finding(value, f"fitted rotation {by_layer(found.kinds[FITTED_ROTATION].by_pair)}", decide(good, bad), {})


def y5_width(found: Measured) -> Finding:
    """Wider networks are more alike: permutations cost less, and wreath similarity is higher.

    Holds if at width 48 the penalty of both the learned and the matched permutation, on average over layers, is below
    Y5_THIRD of that at 16, and wreath similarity above it, by 2 SE; fails if any is the other way round.
    """
    good, bad, rows = [], [], []
    for name in (G_RELU, MATCHED):
        wide, narrow = (found.widths[w][name].penalty.mean(axis=1) for w in (SHOWCASE, NARROW))
        less = wide - Y5_THIRD * narrow
        good.append(below(less))
        bad.append(above(less))
        rows.append(f"{name}: {said(wide, 1, False)}, against {said(narrow, 1, False)}")
    more = (found.similar[SHOWCASE][WREATH] - found.similar[NARROW][WREATH]).mean(axis=1)
    rows.append(f"wreath similarity {said(more, 3)}")
    value = "; ".join(rows)
    return Finding(value, "0", decide(all(good) and above(more), any(bad) or below(more)), {})


def y6(found: Measured) -> Finding:
    """A permutation matched on features, without training, is far better than a random one.

    Width 48.  Holds if it is more than Y6_MORE points better at every layer, and costs less than Y6_LAST at the last
    one, by 2 SE; fails if any is the other way round.
    """
    matched, null = found.kinds[MATCHED].by_pair, found.kinds[RANDOM_PERMUTATION].by_pair
    good, bad = everywhere(null - matched, above, below, Y6_MORE)
    last = matched[:, -1]
    verdict = decide(good and below(last, Y6_LAST), bad or above(last, Y6_LAST))
    return Finding(by_layer(matched), f"random {by_layer(null)}", verdict, {})


def y7(found: Measured) -> Finding:
    """Behind a random element of G_ReLU the rest of a network learns as well as behind nothing; behind a rotation not.

    At the last layer.  Holds if the element with scales of spread 0.5 costs less than Y7_FREE more than the identity,
    and a rotation costs more than the element, by 2 SE; fails if either is the other way round.
    """
    control, scaled, turned = (found.transformed[name][:, -1] for name in (SAME, SCALED, ROTATED))
    extra, more = scaled - control, turned - scaled
    others = ", ".join(f"{name} {said(found.transformed[name][:, -1])}" for name in (PERMUTED, SCALED_MORE))
    value = f"{said(extra)} more than the identity; a rotation {said(more)} more than that; {others}"
    verdict = decide(below(extra, Y7_FREE) and above(more), above(extra, Y7_FREE) or below(more))
    return Finding(value, f"identity {said(control)}", verdict, {})


def y7_size(found: Measured) -> Finding:
    """A rotation before the last activation costs Y7_MORE points more than an element of G_ReLU, by 2 SE."""
    more = found.transformed[ROTATED][:, -1] - found.transformed[SCALED][:, -1]
    earlier = by_layer(found.transformed[ROTATED][:, :-1] - found.transformed[SCALED][:, :-1])
    return Finding(said(more), f"at earlier layers {earlier}", decide(above(more, Y7_MORE), below(more, Y7_MORE)), {})


def y8(found: Measured) -> Finding:
    """Similarity falls from the first layer to the last, and by wreath CKA more than by linear CKA.

    Width 48.  Holds if all of it does by 2 SE; fails if any is the other way round.
    """
    falls = {name: x[:, 0] - x[:, -1] for name, x in found.similar[SHOWCASE].items()}
    tested = {name: falls[name] for name in (WREATH, "wreath CKA")}
    tested["wreath CKA less linear CKA"] = falls["wreath CKA"] - falls["linear CKA"]
    value = "; ".join(f"{name} falls by {said(x, 3)}" for name, x in tested.items())
    null = "; ".join(f"{name} {by_layer(x, 2)}" for name, x in found.similar[SHOWCASE].items())
    return Finding(value, null, decide(all(map(above, tested.values())), any(map(below, tested.values()))), {})


def y9(found: Measured) -> Finding:
    """The published penalty does nothing, and the centred one makes matrices more like permutations.

    Holds if saturation, by the published one, moves by less than Y9_SAME from alpha 0 to 10 at every layer and pair,
    and by the centred one rises with every larger alpha; fails if either does not.
    """
    first = found.alphas.saturation[: len(found.published.saturation), :1]
    moved = np.abs(found.published.saturation - first).max()
    rises = np.diff(found.alphas.saturation, axis=1).min()
    means = found.alphas.saturation.mean(axis=(0, 2))
    value = f"published: moves by at most {moved:.4f}; centred: {', '.join(f'{x:.3f}' for x in means)}"
    alphas = ", ".join(f"{alpha:g}" for alpha in found.alphas.values)
    good = bool(moved < Y9_SAME and rises > 0)
    return Finding(value, f"alpha {alphas}", decide(good, not good), {})


def y10(found: Measured) -> Finding:
    """Batch norms behind a permutation need statistics of the permutation, not of the soft matrix that was trained.

    Holds if the penalty is higher with the latter wherever there is a batch norm behind the stitch, by 2 SE; fails if
    it is lower at any by 2 SE.
    """
    more = (found.soft_statistics.by_pair - found.hard.by_pair)[:, :-1]
    good, bad = everywhere(more, above, below)
    gap = found.hard.by_pair - found.soft.by_pair
    return Finding(by_layer(more), f"rounding itself costs {by_layer(gap)}", decide(good, bad), {})


def y11(found: Measured) -> Finding:
    """GELU passes scales nearly: its defect is 0 at 1, 0.0726 at 0.389, its local maximum, and 0.1767 at 2.

    By quadrature.  Holds if these, and the slope 0.12675 at infinity, come out to Y11_ERROR; fails otherwise.
    """
    scales = np.linspace(0.3, 0.5, 2001)
    values = groups.gelu_defect(scales)
    at = scales[values.argmax()]
    got = {
        "maximum": values.max(),
        "at 2": groups.gelu_defect(2.0),
        "slope": groups.gelu_defect(Y11["slope"][0]) / Y11["slope"][0],
    }
    good = all(abs(got[key] - Y11[key][1]) < Y11_ERROR for key in got) and abs(at - Y11["maximum"][0]) < 1e-3
    value = f"{got['maximum']:.4f} at {at:.3f}, {got['at 2']:.4f} at 2, slope {got['slope']:.5f}"
    return Finding(value, f"{groups.gelu_defect(1.0):.0e} at 1", decide(good, not good), {})


def aligned(found: Measured) -> Finding:
    """Permuting the channels of one network lowers the barrier on the line to another, at width 48 and elsewhere.

    Holds if after matching activations, recalibrated, the barrier in NLL is below A1_LESS of that before at width 48,
    by 2 SE; fails if it is above that.  Other architectures, other matching and REPAIR stand beside.
    """
    x = found.lines[f"width {SHOWCASE}"]
    less = x[ALIGNED].barrier - A1_LESS * x[BEFORE].barrier
    rows = [f"{way} {said(line.barrier, 3, False)}" for way, line in x.items() if way not in (BEFORE, REPAIRED)]
    rows += [f"{REPAIRED} {said(x[REPAIRED].barrier, 3, False)}"]
    beside = "; ".join(
        f"{name}: {said(lines[BEFORE].barrier, 2, False)} to {said(lines[ALIGNED].barrier, 2, False)}"
        for name, lines in found.lines.items()
        if name != f"width {SHOWCASE}"
    )
    before = f"{BEFORE} {said(x[BEFORE].barrier, 3, False)}"
    return Finding("; ".join(rows), before, decide(below(less), above(less)), {}, beside=beside)


def nulls(found: Measured) -> Finding:
    """A stitch of any matrix says something: a network that learned nothing useful costs more to stitch in.

    Holds if senders that are untrained, or learned random labels, cost more than trained ones at every layer by 2 SE;
    fails if either costs less at any.
    """
    own = found.kinds[ANY].penalty[: len(found.kinds[UNTRAINED].penalty)]
    more = {name: found.kinds[name].penalty - own for name in (UNTRAINED, RANDOM_LABELS)}
    each = [everywhere(x, above, below) for x in more.values()]
    value = "; ".join(f"{name} {by_layer(x)} more" for name, x in more.items())
    return Finding(value, f"trained {by_layer(own)}", decide(all(g for g, _ in each), any(b for _, b in each)), {})


def noise(found: Measured) -> Finding:
    """... and noise that knows the class alone costs more than a trained sender: a small penalty shows more than that.

    Holds if it costs more at every layer by 2 SE; fails if it costs less at any.  Later work says that it does not.
    """
    own = found.kinds[ANY].penalty[: len(found.kinds[NOISE].penalty)]
    good, bad = everywhere(found.kinds[NOISE].penalty - own, above, below)
    return Finding(by_layer(found.kinds[NOISE].penalty), f"trained {by_layer(own)}", decide(good, bad), {})


def dissected(found: Measured) -> Finding:
    """Channels selective for one class are as many under G_ReLU, and fewer under rotations, at the last activation.

    Holds if no draw of G_ReLU changes their number, and rotated ones are below D1_LESS of it by 2 SE; fails if the
    number changes, or is above that by 2 SE.  Beside: at earlier layers, and properties of images.
    """
    x = found.dissection[found.layers[-1]]["class"]
    same = bool((x["symmetry"] == x["own"][:, None]).all())
    turned = x["turned"][:, -1].mean(axis=1)
    less = turned - D1_LESS * x["own"]
    value = f"{said(turned, 1, False)} of {said(x['own'], 1, False)} channels after a rotation"
    earlier = [
        f"layer {layer}, {kind}: {said(y['turned'][:, -1].mean(axis=1), 1, False)} of {said(y['own'], 1, False)}"
        for layer, kinds in found.dissection.items()
        for kind, y in kinds.items()
        if kind != "live" and (layer, kind) != (found.layers[-1], "class")
    ]
    null = f"G_ReLU: {'no draw changes it' if same else 'it changes'}"
    return Finding(value, null, decide(same and below(less), not same or above(less)), {}, beside="; ".join(earlier))
