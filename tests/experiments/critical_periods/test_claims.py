"""Rules of claims: made-up measurements for which each holds, does not hold, or is undecided, about bounds."""

import dataclasses
import re

import numpy as np
import pytest

from experiments.critical_periods import claims
from experiments.critical_periods.measured import NONE, Measured
from experiments.critical_periods.results import FULL
from tests.experiments.critical_periods.made_up_measured import (
    AT_ENTROPY,
    BLUR,
    GROWING,
    HELD_OUT,
    TRACE,
    condition,
    ends,
    key,
    measured,
    tube,
)

RULES = {claim.number: claim.measure for claim in claims.CLAIMS}
S = 3
FOUND = measured(S)
SPREAD = np.array([-1.0, 0, 1])  # over seeds; 2 SE of this are 1.15
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
COURSE = key("window", NONE, 0, 0)
LATE = [k for k in FULL.onsets if k >= 10]
NAN = np.full(S, np.nan)


def cost(x, *of):
    """Return what is measured where conditions cost this much, (S,) or a number."""
    return {"conditions": {each: condition(each, S, drop=x) for each in of}}


def far(ratios):
    return {"ends": {each: ends(S, ratio) for each, ratio in ratios.items()}}


def by_onset(deficit, ratios, protocol="window", onsets=FULL.onsets):
    """Return what is measured where ends of windows are this far, (n,) or (S, n)."""
    rows = np.broadcast_to(ratios, (S, len(onsets))).T
    return far({key(protocol, deficit, k, k + 30): x for k, x in zip(onsets, rows)})


def layers(blur, flip, protocol, end):
    each = {key(protocol, BLUR, 0, end): blur, key(protocol, "flip", 0, end): flip}
    return {"conditions": {k: condition(k, S, layers=x) for k, x in each.items()}}


def course(**known):
    return {"conditions": {COURSE: condition(COURSE, S, **known)}}


def put(values, k, value):
    """Return values (S, T) of a course (T,) with another value, or others (S,), at k."""
    values = np.array(np.broadcast_to(values, (S, len(values))), float)
    values[:, k] = value
    return values


def tubes(blur, flip):
    found = {key("restart", BLUR): tube(S, blur), key("restart", "flip"): tube(S, flip)}
    for each in found.values():
        each.deficit[np.isnan(each.deficit[:, -1])] = np.nan
    return {"tubes": found}


def off(blur, flip):
    each = {key("restart", BLUR): blur, key("restart", "flip"): flip}
    return {"conditions": {k: condition(k, S, off=x) for k, x in each.items()}}


def little(protocol, deficit, reference, end=80):
    """Return cases of a drop that is to be below a third of another one, which is 0.03."""
    blur, other = key(protocol, BLUR, 0, end), key(protocol, deficit, 0, end)

    def case(x):
        return {"conditions": {blur: condition(blur, S, drop=0.03), other: condition(other, S, drop=x)}}

    return [
        (HOLDS, case(0.0099)),
        (FAILS, case(0.0101)),
        (HOLDS, case(-0.02)),
        (UNDECIDED, case(0.0099 + 0.001 * SPREAD)),
        (UNDECIDED, case(0.0101 + 0.001 * SPREAD)),
        (UNDECIDED, case(NAN)),
    ]


def clear(protocol, end):
    blur = key(protocol, BLUR, 0, end)
    return [
        (HOLDS, cost(0.0101, blur)),
        (FAILS, cost(0.0099, blur)),
        (UNDECIDED, cost(0.0105 + 0.001 * SPREAD, blur)),
        (UNDECIDED, cost(0.0095 + 0.001 * SPREAD, blur)),
        (UNDECIDED, cost(NAN, blur)),
    ]


def early(protocol, others):
    """Return cases of a drop at onset 0 that is to be above others."""
    first, last = key(protocol, BLUR, 0, 30), key(protocol, BLUR, others[-1], others[-1] + 30)
    return [
        (HOLDS, cost(0.0199, last)),
        (FAILS, cost(0.0201, last)),
        (UNDECIDED, cost(0.0195 + 0.001 * SPREAD, last)),
        (FAILS, cost(0.001, first)),
        (UNDECIDED, cost(NAN, first)),
    ]


ORDER = np.array([6.0, 5, 4, 3, 2, 1])
SWAPPED = np.array([4.0, 5, 6, 3, 2, 1])  # rank correlation -1 + 6 * 8 / 210 = -0.771
NEARLY = np.array([5.0, 6, 4, 3, 1, 2])  # -0.886
CHANGES = {
    "E17": [
        (HOLDS, cost(0.0251, key("restart", BLUR))),
        (FAILS, cost(0.0199, key("restart", BLUR))),
        (FAILS, cost(-0.02, key("restart", BLUR, 0, 15))),  # accuracy rises
        (UNDECIDED, cost(-0.001 + 0.001 * SPREAD, key("restart", BLUR, 0, 15))),
        (UNDECIDED, cost(0.03 + 0.02 * SPREAD, key("restart", BLUR))),
        (UNDECIDED, cost(NAN, key("restart", BLUR))),
        (FAILS, cost(0.03 * SPREAD, *(key("restart", NONE, 0, k) for k in (0, 15, 40, 80)))),  # 5 deviations are more
    ],
    "E17a": [
        (HOLDS, cost(0.01124, key("restart", NONE))),
        (FAILS, cost(0.0113, key("restart", NONE))),
        (HOLDS, cost(-0.01, key("restart", NONE))),
        (UNDECIDED, cost(0.011 + 0.001 * SPREAD, key("restart", NONE))),
        (UNDECIDED, cost(NAN, key("restart", NONE))),
    ],
    "E17b": little("restart", "blur4", BLUR),
    "E17c": clear("cnn", 70),
    "E17d": clear("constant", 80),
    "E20": little("restart", "flip", BLUR),
    "E20b": little("restart", "permuted_labels", BLUR),
    "E20c": little("cnn", "flip", BLUR, 70),
    "E20d": [
        (HOLDS, cost(0.0051, key("annealed", "flip"))),
        (FAILS, cost(0.0049, key("annealed", "flip"))),
        (HOLDS, cost(0.0041, key("cnn-annealed", "flip", 0, 70))),
        (FAILS, cost(0.0039, key("cnn-annealed", "flip", 0, 70))),
        (UNDECIDED, cost(0.0055 + 0.001 * SPREAD, key("annealed", "flip"))),
        (UNDECIDED, cost(NAN, key("cnn", "flip", 0, 70))),
    ],
    "E18": [
        *early("window", LATE),
        (HOLDS, cost(0.03, key("window", BLUR, 5, 35))),  # not late
    ],
    "E18a": early("window-constant", FULL.constant),
    "E18b": [
        (HOLDS, cost(0.0249, key("restart", BLUR, 20, 60))),
        (FAILS, cost(0.0251, key("restart", BLUR, 20, 60))),
        (FAILS, cost(0.0251, key("restart", BLUR, 40, 80))),
        (UNDECIDED, cost(0.0245 + 0.001 * SPREAD, key("restart", BLUR, 40, 80))),
        (UNDECIDED, cost(NAN, key("restart", BLUR, 20, 60))),
    ],
    "E18c": [
        (HOLDS, by_onset(BLUR, NEARLY)),
        (FAILS, by_onset(BLUR, SWAPPED)),
        (FAILS, by_onset("flip", ORDER)),
        (HOLDS, by_onset("flip", SWAPPED)),
        (UNDECIDED, by_onset(BLUR, [ORDER, SWAPPED, ORDER])),
        (UNDECIDED, by_onset(BLUR, np.full(6, np.nan))),
    ],
    "E18d": [
        (HOLDS, by_onset(BLUR, ORDER[:4], "window-constant", FULL.constant)),
        (FAILS, by_onset(BLUR, [5, 6, 3, 4], "window-constant", FULL.constant)),  # -0.6
        (UNDECIDED, by_onset(BLUR, [[6, 5, 4, 3], [6, 5, 4, 3], [5, 6, 3, 4]], "window-constant", FULL.constant)),
    ],
    "E9": [
        (HOLDS, course(trace=put(TRACE, 0, 299))),
        (FAILS, course(trace=put(TRACE, 0, 301))),  # all peaks are at the beginning
        (UNDECIDED, course(trace=put(TRACE, 0, [301, 1, 301]))),
        (FAILS, course(trace=put(TRACE, -1, 101))),
        (HOLDS, course(trace=put(TRACE, -1, 99))),
        (FAILS, course(trace=put(TRACE, 7, 1000))),  # late
        (UNDECIDED, course(trace=put(TRACE, 4, NAN))),
    ],
    "E9b": [
        (HOLDS, course(trace_at_entropy=put(AT_ENTROPY, -1, 133))),
        (FAILS, course(trace_at_entropy=put(AT_ENTROPY, -1, 134))),
        (UNDECIDED, course(trace_at_entropy=put(AT_ENTROPY, -1, 130 + 20 * SPREAD))),
        (UNDECIDED, course(trace_at_entropy=put(AT_ENTROPY, 3, NAN))),
    ],
    "E9c": [
        (HOLDS, course(trace_held_out=put(HELD_OUT, -1, 299))),
        (FAILS, course(trace_held_out=put(HELD_OUT, -1, 301))),
        (UNDECIDED, course(trace_held_out=put(HELD_OUT, -1, 300 + 20 * SPREAD))),
    ],
    "E21": [
        (HOLDS, layers(2.01, 1.99, "window", 30)),
        (FAILS, layers(1.99, 1.9, "window", 30)),
        (FAILS, layers(9, 2.01, "window", 30)),
        (UNDECIDED, layers(3 + SPREAD, 1, "window", 30)),
        (UNDECIDED, layers(9, 1.5 + 0.5 * SPREAD, "window", 30)),
        (UNDECIDED, layers(NAN, 1, "window", 30)),
    ],
    "E21b": [
        (HOLDS, layers(10, 3.99, "restart", 80)),
        (FAILS, layers(10, 4.01, "restart", 80)),
        (FAILS, layers(1.99, 1, "restart", 80)),
        (UNDECIDED, layers(10, 3.9 + 0.2 * SPREAD, "restart", 80)),
        (UNDECIDED, layers(10, NAN, "restart", 80)),
    ],
    "E19": [
        (HOLDS, course(accuracy=put(0.81 * GROWING, -1, 0.8105))),
        (FAILS, course(accuracy=put(0.81 * GROWING, -1, 0.83))),
        (FAILS, course(accuracy=put(0.81 * GROWING, -1, 0.79))),
        (UNDECIDED, course(accuracy=put(0.81 * GROWING, -1, 0.82 + 0.02 * SPREAD))),
        (FAILS, course(trace=np.where(np.arange(len(TRACE)) < 8, 300, 1))),  # 1 % of the way is left
        (UNDECIDED, course(accuracy=put(0.81 * GROWING, -1, NAN))),
    ],
    "E16": [
        (HOLDS, far({key("restart", BLUR): 2.1, key("restart", "flip"): 1.5, key("restart", "permuted_labels"): 1.5})),
        (FAILS, far({key("restart", BLUR): 1.99, key("restart", "flip"): 1.0})),
        (FAILS, far({key("restart", "flip"): 4.01})),
        (HOLDS, far({key("restart", "flip"): 3.99})),
        (FAILS, far({key("restart", "permuted_labels"): 4.01})),
        (UNDECIDED, far({key("restart", "flip"): 3.9 + SPREAD})),
        (UNDECIDED, far({key("restart", BLUR): NAN})),
    ],
    "E16b": [
        (HOLDS, tubes(4, 1.99)),
        (FAILS, tubes(4, 2.01)),
        (FAILS, tubes(0.99, 0.5)),
        (HOLDS, tubes(1.01, 1.0)),
        (UNDECIDED, tubes(4, 1.9 + 0.5 * SPREAD)),
        (UNDECIDED, tubes(NAN, 1)),
    ],
    "E16c": [
        (HOLDS, off(0.02, 0.0099)),
        (FAILS, off(0.02, 0.0101)),
        (FAILS, off(-0.001, -0.01)),
        (UNDECIDED, off(0.02, 0.0095 + 0.001 * SPREAD)),
        (UNDECIDED, off(0.02, NAN)),
    ],
}
CASES = [(number, verdict, change) for number, each in CHANGES.items() for verdict, change in each]
NAMES = [f"{number}-{i}-{verdict}" for number, each in CHANGES.items() for i, (verdict, _) in enumerate(each)]


def each_seed(x, how):
    """Return what is measured with arrays (S, ...) as `how` returns them; distances (S, S) with both axes."""
    if isinstance(x, np.ndarray):
        return how(x)
    if dataclasses.is_dataclass(x):
        fixed = {"epochs", "progress"}
        values = {field.name: getattr(x, field.name) for field in dataclasses.fields(x)}
        square = type(x).__name__ == "Ends"
        found = {
            name: y if name in fixed else how(how(y).T).T if square else each_seed(y, how) for name, y in values.items()
        }
        found = type(x)(**found)
        return dataclasses.replace(found, seeds=tuple(how(np.array(x.seeds)))) if isinstance(x, Measured) else found
    return {name: each_seed(y, how) for name, y in x.items()} if isinstance(x, dict) else x


def test_claims_have_numbers_sentences_and_places():
    assert len(RULES) == len(claims.CLAIMS) == 23
    assert all(claim.number and claim.sentence and claim.where for claim in claims.CLAIMS)
    assert len({claim.measure for claim in claims.CLAIMS}) == 23


@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize("number", RULES)
def test_holds_of_what_is_made_up(number, count):
    found = RULES[number](measured(count))
    assert found.verdict == HOLDS and found.value and found.null
    assert not re.search(r"\b(nan|inf)\b", f"{found.value} {found.null} {found.beside}")


@pytest.mark.parametrize(("number", "verdict", "change"), CASES, ids=NAMES)
def test_verdicts_on_both_sides_of_each_bound(number, verdict, change):
    found = RULES[number](measured(S, **change))
    assert found.verdict == verdict and found.value and found.null


def test_every_rule_can_hold_and_fail_and_be_undecided():
    told = {number: {verdict for verdict, _ in each} for number, each in CHANGES.items()}
    assert told.keys() == RULES.keys() and all(each == {HOLDS, FAILS, UNDECIDED} for each in told.values())


@pytest.mark.parametrize(("number", "verdict", "change"), CASES, ids=NAMES)
def test_verdicts_do_not_depend_on_the_order_of_seeds(number, verdict, change):
    x = measured(S, **change)
    for order in ([2, 0, 1], [1, 0, 2]):
        assert RULES[number](each_seed(x, lambda y, order=order: y[order])).verdict == verdict


@pytest.mark.parametrize("number", RULES)
def test_of_one_seed_there_are_verdicts_and_texts(number):
    found = RULES[number](dataclasses.replace(each_seed(FOUND, lambda y: y[2:]), tubes={}))
    assert found.verdict in (HOLDS, FAILS, UNDECIDED) and found.value and found.null and "+-" not in found.value


@pytest.mark.parametrize("number", RULES)
def test_nans_leave_a_claim_undecided(number):
    assert RULES[number](each_seed(FOUND, lambda x: np.full(x.shape, np.nan))).verdict == UNDECIDED


@pytest.mark.parametrize("number", RULES)
def test_nans_of_one_seed_leave_a_claim_undecided(number):
    def without(x):
        return np.where(np.arange(S).reshape(S, *[1] * (x.ndim - 1)) == 1, np.nan, x)

    assert RULES[number](each_seed(FOUND, without)).verdict == UNDECIDED


@pytest.mark.parametrize("number", RULES)
def test_a_deficit_that_does_nothing_leaves_no_claim_of_harm(number):
    """The null: networks with a deficit are controls of other seeds."""
    drop = 0.003 * SPREAD
    null = measured(
        S,
        conditions={k: condition(k, S, drop=drop, layers=1.0, off=0.0) for k in FOUND.conditions},
        ends={k: ends(S, 1.0) for k in FOUND.ends},
        tubes={k: tube(S, 1.0) for k in FOUND.tubes},
    )
    about = {"E17", "E17c", "E17d", "E20d", "E18", "E18a", "E18b", "E18c", "E18d", "E21", "E21b", "E16", "E16b", "E16c"}
    assert number not in about or RULES[number](null).verdict != HOLDS
