"""Rules of claims: made-up measurements for which each holds, does not hold, or is undecided."""

import dataclasses

import numpy as np
import pytest

from experiments.symmetries import claims, groups, picture_rules, rules
from experiments.symmetries import measured as m
from experiments.symmetries.measured import both_ways
from tests.experiments.symmetries.made_up_measured import L, T, line, measured, stitches, wobble, zoo

RULES = {claim.number: claim.measure for claim in claims.CLAIMS}
D = 3
FOUND = measured(D)
LAST = FOUND.layers[-1]


def changed(name, **keys):
    """Return {name: what is measured}, a dict, with other values; names of keys are those of `measured`."""
    return {name: {**getattr(FOUND, name), **{getattr(m, key): value for key, value in keys.items()}}}


def at(values, layer, value):
    """Return values (n, L) with another one at a layer."""
    return np.where(np.arange(values.shape[1]) == layer, value, values)


def kinds(**penalties):
    """Return kinds of stitches with other penalties by layer, around which pairs are by a spread."""
    count = {key: len(FOUND.kinds[getattr(m, key)].penalty) for key in penalties}
    return changed("kinds", **{key: stitches(x, count[key]) for key, x in penalties.items()})


def noisy(name, layer, spread, middle=0.0):
    """Return kinds, of which the penalty of one is `middle` more at a layer, give or take as much for each pair."""
    x = FOUND.kinds[getattr(m, name)]
    pairs = spread * np.resize(wobble(D), len(x.penalty))
    return changed("kinds", **{name: dataclasses.replace(x, penalty=at(x.penalty, layer, (middle + pairs)[:, None]))})


def of_width(width, **penalties):
    found = {getattr(m, key): stitches(x, D) for key, x in penalties.items()}
    return {"widths": {**FOUND.widths, width: {**FOUND.widths[width], **found}}}


def similar(width, **values):
    """Return similarities with others at a width; keys are names of metrics, with _ in place of spaces."""
    new = {key.replace("_", " "): np.broadcast_to(x, (D, L)) for key, x in values.items()}
    return {"similar": {**FOUND.similar, width: {**FOUND.similar[width], **new}}}


def on_lines(width, after, spread=0.05):
    lines = FOUND.lines[f"width {width}"]
    return {f"width {width}": {**lines, m.ALIGNED: line(after, D, spread)}}


def inside(name, first, second, **values):
    """Return what is measured with other values in {name: {first: {second: {key: value}}}}; second may be missing."""
    found = getattr(FOUND, name)
    old = found[first]
    new = {**old, second: {**old[second], **values}} if second else {**old, **values}
    return {name: {**found, first: new}}


def last(name, values):
    """Return accuracy lost behind a matrix, with another one at the last layer."""
    return changed("transformed", **{name: at(FOUND.transformed[getattr(m, name)], L - 1, np.reshape(values, (-1, 1)))})


def reversed_layers(width=48):
    return {"similar": {**FOUND.similar, width: {name: x[:, ::-1] for name, x in FOUND.similar[width].items()}}}


def sides(name, **ends):
    """Return kinds, of which one is as far as this from sender and receiver."""
    return changed("kinds", **{name: dataclasses.replace(FOUND.kinds[getattr(m, name)], **ends)})


def zoo_of(how):
    """Return a zoo with other similarities by wreath CKA, of its d_B."""
    x = zoo()
    return {"zoo": {**x, "wreath CKA": how(x["d_B"])}}


def unrelated(d_B):
    """Return similarities that have nothing to do with distances, to which they correlate weakly."""
    points = np.random.default_rng(3).normal(size=(len(d_B), 2))
    return 1 - np.sqrt(np.square(points[:, None] - points).sum(axis=2))


ANY = FOUND.kinds[m.ANY]
BROKEN = {
    "Y1": [
        inside("unchanged", "residual", "symmetry", change=np.array([1e-9, 1e-3, 1e-9])),
        inside("unchanged", "transformer", "symmetry", d_B=np.full(D, 1e-9)),
        inside("unchanged", "width 16", "rotation", change=np.full(D, 0.01)),
    ],
    "Y2": [
        inside("recovered", "no batch norm", None, **{key: np.full((D, L), value)})
        for key, value in {"found": 0.9, "scale_error": 0.01, "accuracy_change": -0.01, "wreath_cka": 0.99}.items()
    ],
    "Y3": [
        {"invariance": {**FOUND.invariance, name: {"symmetry": np.full((D, L), a), "rotation": np.full((D, L), b)}}}
        for name, a, b in (
            ("wreath_procrustes", 0.99, 0.5),
            ("wreath_cka", 0.99, 0.5),
            ("wreath_cka", 1, 0.98),
            ("orthogonal_procrustes_whole", 0.5, 0.99),
            ("linear_cka", 0.5, 0.99),
        )
    ],
    "Y4": [similar(24, orthogonal_Procrustes=0.1)],
    "Y5": [
        kinds(ANY=(5, 2, 0.2)),
        kinds(G_RELU=(3, 6.5, 0.9)),
        kinds(RANK_4=(4, 6, 22)),
        kinds(RANK_2=(30, 12, 19)),
    ],
    "Y5b": [of_width(16, ANY=(3.8, 30, 0.3)), of_width(16, RANK_1=(20, 32, 65))],
    "Y5c": [kinds(**{name: (74, 40, 76)}) for name in ("IDENTITY", "RANDOM_PERMUTATION", "RANDOM_ROTATION")],
    "Y5d": [
        of_width(48, G_RELU=(10, 10, 5)),
        of_width(48, MATCHED=(15, 15, 5)),
        similar(48, wreath_Procrustes=0.4),
    ],
    "Y6": [kinds(MATCHED=(3.1, 74, 1.2)), kinds(MATCHED=(3.1, 8.8, 5))],
    "Y7": [last("SCALED", np.full(D, 2.0)), last("ROTATED", np.full(D, 0.2))],
    "Y7b": [last("ROTATED", np.full(D, 2.0))],
    "Y8": [
        reversed_layers(),
        similar(48, wreath_Procrustes=(0.5, 0.6, 0.7)),
        similar(48, linear_CKA=(0.99, 0.7, 0.5)),
    ],
    "Y9": [
        {"published": dataclasses.replace(FOUND.published, saturation=FOUND.published.saturation * 1.1)},
        {"alphas": dataclasses.replace(FOUND.alphas, saturation=FOUND.alphas.saturation[:, [0, 1, 3, 2, 4]])},
    ],
    "Y10": [{"hard": FOUND.soft_statistics, "soft_statistics": FOUND.hard}],
    "A1": [{"lines": {**FOUND.lines, **on_lines(48, 1.7)}}],
    "N1": [kinds(UNTRAINED=(-2, 12, 30)), kinds(RANDOM_LABELS=(3, 8, -0.5))],
    "N2": [kinds(NOISE=(15, 1, 3))],
    "D1": [
        inside("dissection", LAST, "class", symmetry=FOUND.dissection[LAST]["class"]["symmetry"] + 1),
        inside("dissection", LAST, "class", turned=FOUND.dissection[LAST]["brightness"]["turned"]),
    ],
    "P1": [
        sides("ANY", to_sender=ANY.to_receiver, to_receiver=ANY.to_sender),
        sides("ANY", to_receiver=at(ANY.to_receiver, 0, 0.5)),
    ],
    "P2": [
        *(changed("nearest", **{name: np.full((2 * D, L), 0.03)}) for name in ("IDENTITY", "RANK_1")),
        sides("RANDOM_ROTATION", to_sender=0.5 * FOUND.kinds[m.RANDOM_ROTATION].to_sender),
        sides("IDENTITY", to_receiver=0.8 * FOUND.kinds[m.IDENTITY].to_receiver),  # on the other side
        {"nearest_own": np.full(D, 0.3)},
    ],
    "P3": [{"similar": dict(zip(FOUND.similar, reversed(FOUND.similar.values())))}],
    "P4": [zoo_of(lambda d_B: 10 * d_B)],
}
UNDECIDED = {
    "Y5": [noisy("G_RELU", 1, 8, 3.0)],
    "Y5b": [
        {
            "widths": {
                **FOUND.widths,
                16: {**FOUND.widths[16], m.ANY: stitches((24, 24, 5), D, 8)},
            }
        }
    ],
    "Y5c": [noisy("IDENTITY", 2, 20, 52.0)],
    "Y5d": [{"widths": {**FOUND.widths, 48: {**FOUND.widths[48], m.G_RELU: stitches((6, 6, 5), D, 8)}}}],
    "Y6": [noisy("MATCHED", 2, 3, 2.8)],
    "Y7": [last("SCALED", 0.4 + 3 * wobble(D)), last("ROTATED", 0.8 + 3 * wobble(D))],
    "Y7b": [last("ROTATED", 3.6 + 3 * wobble(D))],
    "Y8": [similar(48, wreath_Procrustes=0.6 + 0.1 * wobble(D)[:, None] * np.array([1, 0, -1]) + [0.01, 0, 0])],
    "Y10": [
        {"soft_statistics": dataclasses.replace(FOUND.hard, penalty=FOUND.hard.penalty + np.resize(wobble(D), (6, 1)))}
    ],
    "A1": [{"lines": {**FOUND.lines, **on_lines(48, 0.85, 0.5)}}],
    "N1": [noisy("UNTRAINED", 0, 3, 1.5)],
    "N2": [noisy("NOISE", 0, 3, 1.5)],
    "D1": [
        inside(
            "dissection",
            LAST,
            "class",
            turned=np.broadcast_to((35 + 10 * wobble(D))[:, None, None], (D, 5, 4)),
        )
    ],
    "P1": [sides("ANY", to_receiver=at(ANY.to_receiver, 2, 0.007 + 0.01 * np.resize(wobble(D), (6, 1))))],
    "P2": [
        changed("nearest", RANK_1=np.full((2 * D, L), 0.065) + np.resize(0.05 * wobble(D), (6, 1))),
        sides("RANK_1", to_sender=FOUND.kinds[m.RANK_1].to_receiver * (0.9 + np.resize(0.09 * wobble(D), (6, 1)))),
    ],
    "P3": [{"similar": {width: FOUND.similar[other] for width, other in zip(FOUND.similar, (16, 48, 32, 24, 64))}}],
    "P4": [zoo_of(unrelated)],
}
CERTAIN = {"Y1", "Y2", "Y3", "Y4", "Y9", "Y11"}  # hold or do not, whatever pairs differ by


@pytest.mark.parametrize("number", RULES)
def test_holds(number):
    found = RULES[number](measured())
    assert found.verdict == "holds"
    _says_something(found)


def _says_something(found):
    assert found.value and found.null
    assert not [text for text in (found.value, found.null, found.beside) if "nan" in text or "inf" in text.split()]


@pytest.mark.parametrize("number", RULES)
def test_of_one_pair_there_are_texts(number):
    values = np.linspace(0.5, 1.5, 5)
    lines = {f"width {w}": {**FOUND.lines[f"width {w}"]} for w in FOUND.similar}
    one = measured(1)
    for (name, ways), height in zip(lines.items(), values):
        lines[name] = {way: line(height * (0.2 + x), 1) for x, way in enumerate(ways)}
    found = RULES[number](dataclasses.replace(one, lines={**one.lines, **lines}))
    assert found.value and found.null and "nan" not in found.value + found.null


@pytest.mark.parametrize(("number", "change"), [(k, x) for k, each in BROKEN.items() for x in each])
def test_does_not_hold(number, change):
    found = RULES[number](measured(**change))
    assert found.verdict == "does not hold"
    _says_something(found)


@pytest.mark.parametrize(("number", "change"), [(k, x) for k, each in UNDECIDED.items() for x in each])
def test_pairs_that_differ_leave_a_claim_undecided(number, change):
    found = RULES[number](measured(**change))
    assert found.verdict == "undecided"
    _says_something(found)


def test_every_rule_can_fail():
    assert BROKEN.keys() | {"Y11"} == RULES.keys() and UNDECIDED.keys() | CERTAIN == RULES.keys()
    assert not UNDECIDED.keys() & CERTAIN


def test_another_gelu_does_not_hold(monkeypatch):
    defect = groups.gelu_defect
    monkeypatch.setattr(groups, "gelu_defect", lambda scale: 1.01 * defect(scale))
    assert rules.y11(FOUND).verdict == "does not hold"


def test_directions_are_averaged_before_errors_are_taken():
    """What differs by direction alone, as much for all pairs, leaves no doubt."""
    penalty = FOUND.kinds[m.RANK_4].penalty + np.repeat([2, -2], D)[:, None]
    change = changed("kinds", RANK_4=dataclasses.replace(FOUND.kinds[m.RANK_4], penalty=penalty))
    assert rules.y5(measured(**change)).verdict == "holds"
    assert both_ways(penalty) == pytest.approx(both_ways(FOUND.kinds[m.RANK_4].penalty))


def leaning(share):
    """Return what is measured where stitches are nearer to one side by a share of the mean, (P,)."""
    share = np.resize(share, (2 * D, 1))
    found = {name: FOUND.kinds[name].to_sender for name in m.BAD}
    ends = {name: {"to_sender": x * (1 + share / 2), "to_receiver": x * (1 - share / 2)} for name, x in found.items()}
    return measured(kinds={**FOUND.kinds, **{k: dataclasses.replace(FOUND.kinds[k], **x) for k, x in ends.items()}})


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (0.09, "holds"),
        (-0.09, "holds"),
        (0.11, "does not hold"),
        (-0.11, "does not hold"),
        (np.repeat([0.3, -0.3], D), "holds"),  # one network of each pair is nearer
        ([0.05, 0.06, 0.07], "holds"),
        ([0.2, 0, -0.2], "undecided"),
        ([0.08, 0.09, 0.1], "undecided"),
    ],
)
def test_as_far_from_the_sender_as_from_the_receiver(share, verdict):
    assert picture_rules.leave_together(leaning(share)).verdict == verdict


@pytest.mark.parametrize(
    ("nearest", "own", "verdict"),
    [
        (0.061, 0.02, "holds"),
        (0.059, 0.02, "does not hold"),
        (3.5 * (0.02 + 0.01 * wobble(D)), 0.02 + 0.01 * wobble(D), "holds"),  # pair by pair
        (2.5 * (0.02 + 0.01 * wobble(D)), 0.02 + 0.01 * wobble(D), "does not hold"),
        (0.07, 0.02 + 0.01 * wobble(D), "undecided"),
        (0.07 + 0.02 * wobble(D), 0.02, "undecided"),
    ],
)
def test_far_from_networks_as_they_are_trained(nearest, own, verdict):
    far = np.broadcast_to(np.resize(nearest, (2 * D, 1)), (2 * D, L))
    found = measured(nearest={**FOUND.nearest, **dict.fromkeys(m.BAD, far)}, nearest_own=np.resize(own, D))
    assert picture_rules.leave_together(found).verdict == verdict


def test_a_rule_of_one_layer_does_not_look_at_others():
    everything = {name: np.where(np.arange(L) < L - 1, 50.0, x) for name, x in FOUND.transformed.items()}
    assert rules.y7(measured(transformed=everything)).verdict == "holds"
    assert rules.y7_size(measured(transformed=everything)).verdict == "holds"


def test_barrier_of_a_line():
    x = line(0.5, D, 0)
    assert x.barrier == pytest.approx(np.full(D, 0.5)) and len(x.t) == len(T)


def test_predicts_barrier_within_widths_stands_beside():
    assert picture_rules.predicts_barrier(FOUND).beside.startswith("within widths ")
