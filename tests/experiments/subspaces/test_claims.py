"""Rules of claims: made-up measurements for which each holds, does not hold, or is undecided."""

import dataclasses

import numpy as np
import pytest

from experiments.subspaces import claims, kinds, rules
from experiments.subspaces.results import CLEAN, NOISY, UNDER
from tests.experiments.subspaces.made_up import WOBBLE, S, line, measured, score

RULES = {claim.number: claim.measure for claim in claims.CLAIMS}


def kinds_with(level, **scores):
    """Return the kinds of `measured` with other scores at a level; names have _ in place of spaces."""
    found = measured().kinds
    names = {"middle": kinds.MIDDLE, "near": kinds.NEAR, "stopped": kinds.STOPPED, "two": kinds.TWO, "swa": kinds.SWA}
    return {**found, level: {**found[level], **{names[name]: x for name, x in scores.items()}}}


def picture_with(level, **values):
    found = measured().picture
    return {**found, level: {**found[level], **values}}


def lines_with(x, kind="line", regime=UNDER):
    return {**measured().lines, (kind, regime): x}


BROKEN = {
    "S1": [
        {"lines": lines_with(line(middle=0.70))},
        {"lines": lines_with(line(nll_middle=0.7), "curve", CLEAN)},
        {"lines": lines_with(line(middle=0.79), "layerwise line", NOISY)},
    ],
    "S2": [
        {"kinds": kinds_with(CLEAN, middle=score(0.81, 0.45, 0.02))},
        {"kinds": kinds_with(CLEAN, middle=score(0.85, 0.58, 0.02))},
        {"kinds": kinds_with(CLEAN, middle=score(0.85, 0.45, 0.08))},
    ],
    "S3": [
        {"kinds": kinds_with(CLEAN, near=score(0.852, 0.40))},
        {"kinds": kinds_with(CLEAN, middle=score(0.87, 0.45, 0.02))},
        {"kinds": kinds_with(CLEAN, near=score(0.86, 0.55))},
    ],
    "S4": [{"kinds": kinds_with(NOISY, middle=score(0.62))}, {"kinds": kinds_with(NOISY, two=score(0.90))}],
    "S4b": [{"kinds": kinds_with(NOISY, stopped=score(0.90))}],
    "S5": [{"kinds": kinds_with(CLEAN, swa=score(0.86, 0.6))}, {"kinds": kinds_with(NOISY, swa=score(0.6, 0.47))}],
    "S6": [
        {"geometry": {**measured().geometry, "line_under": (np.full(S, 0.02), np.full(S, 0.02))}},
        {"geometry": {**measured().geometry, "line_under-free": (np.full(S, 0.01), np.full(S, 0.015))}},
        {"geometry": {**measured().geometry, "line_under-free": (np.full(S, 0.2), np.full(S, 0.03))}},
    ],
    "S7": [{"raw": {UNDER: line(0.77, 0.83)}}],
    "S8": [{"lines": lines_with(line(ends=0.83), "layerwise line")}],
    "S9": [{"pairs": {CLEAN: {"2 networks": {"identity": np.array([0, 1e-9]), "d_B": np.zeros(2)}}}}],
    "S10": [{"lines": lines_with(line(middle=0.81))}],
    "S11": [{"simplexes": {(n, r): score(0.84 - 0.01 * n) for n in (3, 4) for r in (CLEAN, UNDER)}}],
    "S12": [{"kinds": kinds_with(NOISY, middle=score(0.8, 0.9, 0.3))}],
    "P1": [
        {"picture": picture_with(NOISY, middle=np.full(S, 0.47))},
        {"picture": picture_with(CLEAN, ends=np.zeros(S))},
    ],
    "P2": [{"picture": picture_with(CLEAN, length=np.full(S, 1.2))}],
    "P3": [{"picture": picture_with(NOISY, to_cloud=np.full(S, 0.09))}],
    "P4": [{"picture": picture_with(CLEAN, off=np.full(S, 0.03))}],
}


@pytest.mark.parametrize("number", RULES)
def test_holds(number):
    found = RULES[number](measured())
    assert found.verdict == "holds" and found.value and "nan" not in found.value + found.null


@pytest.mark.parametrize(("number", "changed"), [(k, x) for k, each in BROKEN.items() for x in each])
def test_does_not_hold(number, changed):
    assert RULES[number](measured(**changed)).verdict == "does not hold"


def test_every_rule_can_fail():
    assert BROKEN.keys() == RULES.keys()


@pytest.mark.parametrize(
    ("number", "changed"),
    [
        ("S2", {"kinds": kinds_with(CLEAN, middle={**score(0.85, 0.45, 0.02), "accuracy": 0.83 + 0.05 * WOBBLE})}),
        ("S6", {"geometry": {**measured().geometry, "line_under": (np.full(S, 0.002), 0.015 + 0.02 * WOBBLE)}}),
        ("P1", {"picture": picture_with(CLEAN, middle=0.45 + 0.1 * WOBBLE)}),
        ("P3", {"picture": picture_with(CLEAN, to_cloud=0.08 + 0.05 * WOBBLE)}),
    ],
)
def test_seeds_that_differ_leave_a_claim_undecided(number, changed):
    assert RULES[number](measured(**changed)).verdict == "undecided"


def test_slope_of_vertices_is_that_of_a_line():
    found = measured()
    middles = {n: 0.5 + 0.02 * n + 0.001 * WOBBLE * n for n in (2, 3, 4)}
    one = dataclasses.replace(
        found,
        lines=lines_with(line(middle=0.5)) | {("line", UNDER): _with_middle(middles[2])},
        simplexes={(n, UNDER): {"accuracy": middles[n]} for n in (3, 4)},
    )
    assert rules.slope(one, UNDER) == pytest.approx(2 + 0.1 * WOBBLE)


def _with_middle(values):
    found = line()
    accuracy = found.scores["accuracy"].copy()
    accuracy[:, 1] = values
    return dataclasses.replace(found, scores={**found.scores, "accuracy": accuracy})
