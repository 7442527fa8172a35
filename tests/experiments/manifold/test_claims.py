"""Rules of claims: made-up measurements for which each holds, does not hold, or is undecided, about bounds."""

import dataclasses
import re

import numpy as np
import pytest

from experiments.manifold import averages, claims, more_rules, rules
from experiments.manifold.measured import (
    ALL,
    BATCH,
    DECAY,
    NETWORK,
    OPTIMISER,
    PERMUTED,
    WITHIN,
    Tree,
)
from experiments.manifold.parts import EVALUATION, TRAINING
from experiments.manifold.planned import CORNERS, GRID, SECTIONS, SPEED, SYNTHETIC
from learning.finding import FAILS, HOLDS, UNDECIDED, mean_and_error
from tests.experiments.manifold import made_up_measured as made
from tests.experiments.manifold.made_up_measured import factors, measured, paths

RULES = {claim.number: claim.measure for claim in claims.CLAIMS}
S = 3
SPREAD = np.array([-1.0, 0, 1])  # over seeds; 2 SE of this are 1.15
NAN = np.full(S, np.nan)


def stress(ten=None, **what):
    """Return pictures with other explained stress of 3 or 10 axes of parts or nulls."""
    found = []
    for s, w in enumerate(made.wobble(S)):
        own = dict(made.picture(w).stress)
        for name, x in what.items():
            own[name] = own[name].copy()
            own[name][2 if ten is None else 9] = np.broadcast_to(x, (S,))[s]
        found.append(made.picture(w, stress=own))
    return {"pictures": tuple(found)}


def pictures(**changes):
    """Return pictures with other fields, (S,) of which one each."""
    each = [{name: np.broadcast_to(x, (S,))[s] for name, x in changes.items()} for s in range(S)]
    return {"pictures": tuple(made.picture(w, **own) for w, own in zip(made.wobble(S), each))}


def points(four, full=0.86):
    """Return pictures of which four points and all models explain so much by 3 axes."""
    values = [np.broadcast_to(x, (S,)) for x in (four, full)]
    named = [[{ALL: np.array([0.5, 0.6, x[s]])} for x in values] for s in range(S)]
    return {"pictures": tuple(made.picture(w, four=a, full=b) for w, (a, b) in zip(made.wobble(S), named))}


def matter(name, ratios=None, **changes):
    own = {"factors": {name: factors(S, name, **changes)}}
    if ratios is not None:
        own["ratios"] = {**paths(S).ratios, name: np.broadcast_to(ratios, (S,))}
    return {"paths": paths(S, **own)}


def near(x, **more):
    return {"paths": paths(S, near=made.pairs(np.broadcast_to(x, (S,))), **more)}


def geodesic(curve, width=0.02):
    curves = {"geodesic": made.rows(S, curve, 0), "others": made.rows(S, width, 0)}
    return {"paths": paths(S, **curves)}


def purity(x):
    return {"paths": paths(S, tree=Tree(np.broadcast_to(x, (S,)), np.ones(S), np.full(S, 0.4), np.full(S, np.nan)))}


def corners(**changes):
    kinds = measured(S).corners
    return {"corners": {**kinds, **{kind: made.corner(S, **x) for kind, x in changes.items()}}}


def three(**x):
    return corners(random0=x, random1=x, random2=x)


def without(corner, *seeds, usual=()):
    """Return a Corner without the runs of some seeds, numbers of them, and without some usual runs."""
    found = dataclasses.replace(corner, **{what: x.copy() for what, x in vars(corner).items()})
    for gone, names in ((seeds, ("distances", "at", "starts", "ends")), (usual, ("width", "between"))):
        for name in names:
            getattr(found, name)[list(gone)] = np.nan
    return found


def hardly(name):
    """Return cases of a factor that hardly matters."""
    return [
        (HOLDS, matter(name, ratio=1.07)),
        (FAILS, matter(name, ratio=1.09)),  # 0.98 by chance
        (HOLDS, matter(name, ratio=0.89)),
        (FAILS, matter(name, ratio=0.88)),
        (HOLDS, matter(name, ratio=0.6, ratios=0.6)),
        (UNDECIDED, matter(name, ratio=1.06 + 0.1 * SPREAD)),
        (HOLDS, matter(name, near=0.9)),  # by chance, as p says
        (HOLDS, matter(name, near=made.CHANCES.get(name, 0.48) + 0.149, p=0.01)),
        (FAILS, matter(name, near=made.CHANCES.get(name, 0.48) + 0.151, p=0.01)),
        (UNDECIDED, matter(name, near=0.9, p=[0.01, 0.06, 0.06])),
        (UNDECIDED, matter(name, ratio=NAN)),
    ]


STEEP = 0.05 + 0.2 * made.GRID
CHANGES = {
    "L1": [
        (HOLDS, stress(training=0.751, evaluation=0.751)),
        (FAILS, stress(training=0.749)),
        (FAILS, stress(evaluation=0.749)),
        (HOLDS, stress(ten=True, training=0.931)),
        (FAILS, stress(ten=True, evaluation=0.929)),
        (UNDECIDED, stress(training=0.76 + 0.02 * SPREAD)),
        (HOLDS, stress(**{PERMUTED: 0.59})),
        (FAILS, stress(**{PERMUTED: 0.61})),
        (UNDECIDED, stress(training=NAN)),
    ],
    "L1b": [
        (HOLDS, stress(**{WITHIN: 0.84})),
        (FAILS, stress(**{WITHIN: 0.86})),
        (UNDECIDED, stress(**{WITHIN: 0.84 + 0.02 * SPREAD})),
    ],
    "L2": [
        (HOLDS, pictures(correlation=0.951)),
        (FAILS, pictures(correlation=0.949)),
        (UNDECIDED, pictures(correlation=0.96 + 0.02 * SPREAD)),
        (HOLDS, stress(training=0.9, evaluation=0.851)),
        (FAILS, stress(training=0.9, evaluation=0.849)),
        (FAILS, stress(training=0.9, evaluation=0.951)),
        (UNDECIDED, pictures(correlation=NAN)),
    ],
    "L3": [
        (HOLDS, matter(NETWORK, ratio=1.51)),
        (FAILS, matter(NETWORK, ratio=1.49)),
        (UNDECIDED, matter(NETWORK, ratio=1.6 + 0.2 * SPREAD)),
        (HOLDS, matter(NETWORK, near=0.91)),
        (FAILS, matter(NETWORK, near=0.89)),
        (UNDECIDED, matter(NETWORK, p=[0.001, 0.001, 0.011])),
        (FAILS, matter(NETWORK, p=0.011)),
        (UNDECIDED, matter(NETWORK, ratio=NAN)),
    ],
    "L3b": hardly(OPTIMISER),
    "L3c": hardly(BATCH),
    "L3d": hardly(DECAY),
    "L3e": hardly("augmentation"),
    "L4": [
        (HOLDS, near(0.59)),
        (FAILS, near(0.61)),
        (UNDECIDED, near(0.59 + 0.02 * SPREAD)),
        (UNDECIDED, near(0.3, random=np.full((9, S), 0.299))),  # as random groups
        (UNDECIDED, near(NAN)),
    ],
    "L5": [
        (HOLDS, geodesic(STEEP, 0.097)),
        (FAILS, geodesic(STEEP, 0.103)),
        (FAILS, geodesic(0.3 - 0.2 * made.GRID)),
        (FAILS, geodesic(0.3 - (made.GRID - 0.5) ** 2)),
        (UNDECIDED, geodesic(0.2)),
        (UNDECIDED, geodesic(STEEP, 0.097 + 0.01 * SPREAD[:, None])),
        (HOLDS, geodesic(STEEP, 0.09 + 0.003 * SPREAD[:, None])),
        (UNDECIDED, geodesic(STEEP, 0.09 + 0.006 * SPREAD[:, None])),  # errors are doubled
    ],
    "L6": [
        (HOLDS, purity(0.91)),
        (FAILS, purity(0.89)),
        (UNDECIDED, purity(0.91 + 0.02 * SPREAD)),
        (UNDECIDED, purity(NAN)),
    ],
    "L7": [
        (HOLDS, {"widths": made.widths(S, (4, 3, 2, 1.99))}),
        (FAILS, {"widths": made.widths(S, (4, 3, 2, 2.1))}),
        (UNDECIDED, {"widths": made.widths(S, (4, 3, 2, 2.1 + SPREAD))}),
        (UNDECIDED, {"widths": made.widths(S, rank=-0.79)}),
        (FAILS, {"widths": made.widths(S, rank=-0.3, p=0.06)}),
        (UNDECIDED, {"widths": made.widths(S, (NAN, 3, 2, 1))}),
        (HOLDS, {"widths": made.widths(S, (np.array([np.nan, 4, 4]), 3, 2, 1))}),
    ],
    "L7b": [
        (HOLDS, {"widths": made.widths(S, tubes=1.99)}),
        (FAILS, {"widths": made.widths(S, tubes=2.01)}),
        (HOLDS, {"widths": made.widths(S, tubes=1.9 + 0.025 * SPREAD)}),
        (UNDECIDED, {"widths": made.widths(S, tubes=1.9 + 0.05 * SPREAD)}),  # errors are doubled
        (UNDECIDED, {"widths": made.widths(S, tubes=[1.9, np.nan, np.nan])}),
        (UNDECIDED, {"widths": made.widths(S, tubes=NAN)}),
    ],
    "L8": [
        (HOLDS, three(shrink=3.01)),
        (FAILS, three(shrink=2.99)),
        (HOLDS, three(shrink=3.2 + 0.06 * SPREAD)),
        (UNDECIDED, three(shrink=3.2 + 0.12 * SPREAD)),  # errors are doubled
        (HOLDS, three(late=0.0152)),
        (FAILS, three(late=0.0154)),  # within the tube for less than 0.1 of progress
        (FAILS, three(late=0.0199)),  # ... at the last value alone
        (FAILS, three(late=0.0201)),  # outside the tube
        (UNDECIDED, corners(random0={"late": 0.0201})),
        (UNDECIDED, three(shrink=NAN)),
        (UNDECIDED, {"corners": {}}),
    ],
    "L8b": [
        (HOLDS, corners(few200={"last": 1.5}, few2000={"last": 2.6})),  # together by the root of 3.9
        (FAILS, corners(few200={"last": 1.5}, few2000={"last": 2.8})),
        (UNDECIDED, corners(few200={"first": 1.5}, few2000={"first": 2.6})),  # there was no corner
        (HOLDS, corners(few200={"last": 1.9 + 0.03 * SPREAD}, few2000={"last": 1.9 + 0.03 * SPREAD})),
        (UNDECIDED, corners(few200={"last": 1.9 + 0.06 * SPREAD}, few2000={"last": 1.9 + 0.06 * SPREAD})),  # doubled
        (UNDECIDED, {"corners": {}}),
        (HOLDS, three(shrink=1)),
    ],
    "L9": [
        (HOLDS, {"synthetic": made.synthetic(0.053)}),
        (FAILS, {"synthetic": made.synthetic(0.049)}),
        (UNDECIDED, {"synthetic": made.synthetic(0.06 + 0.1 * made.wobble(12))}),
        (UNDECIDED, {"synthetic": made.synthetic(0.06, spread=0.02)}),
        (UNDECIDED, {"synthetic": made.synthetic(np.full(12, np.nan))}),
    ],
    "L10": [
        (HOLDS, {"means": made.means(0.001, 0.001)}),
        (FAILS, {"means": made.means(-0.001)}),
        (FAILS, {"means": made.means(geometric=-0.001)}),
        (UNDECIDED, {"means": made.means(0.01 + 0.1 * made.wobble(6))}),
        (UNDECIDED, {"means": made.means(np.full(6, np.nan))}),
        (UNDECIDED, {"means": averages.measure([])}),
    ],
    "L11": [
        (HOLDS, points(0.811)),
        (FAILS, points(0.809)),  # of 0.86
        (HOLDS, points(0.801, 0.8)),
        (FAILS, points(0.799, 0.8)),
        (UNDECIDED, points(0.81 + 0.02 * SPREAD, 0.8)),
        (UNDECIDED, points(NAN)),
    ],
    "L12": [
        (HOLDS, matter(OPTIMISER, share=0.69)),
        (FAILS, matter(OPTIMISER, share=0.71)),
        (UNDECIDED, matter(OPTIMISER, share=0.69 + 0.1 * SPREAD)),
        (HOLDS, {"paths": paths(S, permuted=np.full(S, 0.69))}),
        (FAILS, {"paths": paths(S, permuted=np.full(S, 0.71))}),
        (UNDECIDED, matter(NETWORK, share=NAN)),
    ],
}
CASES = [(number, verdict, change) for number, each in CHANGES.items() for verdict, change in each]
NAMES = [f"{number}-{i}-{verdict}" for number, each in CHANGES.items() for i, (verdict, _) in enumerate(each)]


@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize("number", RULES)
def test_holds_of_what_is_made_up(number, count):
    found = RULES[number](measured(count))
    assert found.verdict == HOLDS and found.value and found.null
    assert not re.search(r"\b(nan|inf)\b", f"{found.value} {found.null} {found.beside}")


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize(("number", "verdict", "change"), CASES, ids=NAMES)
def test_verdicts_on_both_sides_of_each_bound(number, verdict, change):
    found = RULES[number](measured(S, **change))
    assert found.verdict == verdict and found.value and found.null


def test_every_rule_can_hold_and_fail_and_be_undecided():
    told = {number: {verdict for verdict, _ in each} for number, each in CHANGES.items()}
    assert told.keys() == RULES.keys()
    assert {number for number, each in told.items() if each != {HOLDS, FAILS, UNDECIDED}} == set()


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("number", RULES)
def test_of_one_seed_there_are_verdicts_and_texts(number):
    one = paths(1, random=np.empty((0, 1)), alike=np.empty((0, 1)))
    apart = np.full((4, 4, 1, len(made.GRID)), np.nan)
    found = RULES[number](measured(1, paths=one, evaluation=one, widths=made.widths(1, apart=apart)))
    assert found.verdict in (HOLDS, FAILS, UNDECIDED) and found.value and found.null
    if number in ("L4", "L5", "L7b"):
        assert found.verdict == UNDECIDED and "seeds or more are needed" in found.value


@pytest.mark.parametrize("number", ["L4", "L5"])
def test_two_seeds_that_share_their_one_distance_decide_nothing(number):
    found = RULES[number](measured(2))
    assert found.verdict == UNDECIDED and found.value.startswith("three seeds or more are needed")


def test_errors_of_values_that_share_runs_are_doubled():
    values = np.array([1.0, 4, 4.5])
    one, two = (mean_and_error(x) for x in (values, rules.shared(values)))
    assert two == pytest.approx((one[0], 2 * one[1]))


def test_places_are_those_said_or_quarters_of_what_is_common():
    grid = np.linspace(0, 1, 51)
    assert grid[rules.places(grid)] == pytest.approx([0.24, 0.44, 0.64], abs=0.021)
    short = grid[(grid > 0.09) & (grid < 0.51)]
    assert short[rules.places(short)] == pytest.approx([0.2, 0.3, 0.4])


def test_corners_are_compared_at_the_nearest_values_that_all_reached():
    corner = made.corner(S)
    early, late = more_rules.between(corner)
    assert made.GRID[[early, late]] == pytest.approx([0.2, 0.8])
    corner.distances[1, made.GRID < 0.3] = np.nan
    corner.width[0, made.GRID > 0.61] = np.nan
    early, late = more_rules.between(corner)
    assert made.GRID[[early, late]] == pytest.approx([0.3, 0.6])
    corner.width[2, made.GRID > 0.59] = np.nan
    assert more_rules.between(corner) is None  # less than 0.3 apart
    assert more_rules.between(dataclasses.replace(corner, width=np.full_like(corner.width, np.nan))) is None


def test_runs_with_little_progress_in_common_decide_nothing():
    kinds = dict(measured(S).corners)
    kinds["random1"].distances[:, (made.GRID < 0.39) | (made.GRID > 0.47)] = np.nan
    found = RULES["L8"](measured(S, corners=kinds))
    assert found.verdict == UNDECIDED and found.value == "runs have too little progress in common"


def test_runs_have_joined_for_good_where_they_stay_for_a_tenth():
    """With width 0.01 the bound is 0.02, which is crossed where 5 ** ((0.8 - s) / 0.6) is 0.02 / late."""
    assert more_rules.joins(made.corner(S, late=0.0152)) == pytest.approx(0.7)
    assert np.isnan(more_rules.joins(made.corner(S, late=0.0154)))
    corner = made.corner(S, late=0.0152)
    corner.width[0, made.GRID > 0.79] = np.nan  # known for a shorter way
    assert np.isnan(more_rules.joins(corner))


@pytest.mark.parametrize(("number", "kind"), [("L8", "random1"), ("L8b", "few200")])
def test_a_seed_that_lacks_a_run_is_left_out_and_named(number, kind):
    """The value is that of the other seeds alone; a usual run that is not there takes no seed with it."""
    spread = {"shrink": np.array([6.0, 9, 6.6]), "last": np.array([1.25, 0.9, 1.15])}
    kinds = {k: made.corner(S, **spread) for k in measured(S).corners}
    found = RULES[number](measured(S, corners={**kinds, kind: without(kinds[kind], 1)}))
    rest = {k: made.corner(2, **{what: x[[0, 2]] for what, x in spread.items()}) for k in kinds}
    expected = RULES[number](measured(2, corners=rest)).value
    assert found.verdict == HOLDS and found.value.partition(";")[0] == expected.partition(";")[0]
    assert "a run from a corner of seed 11 is not there" in found.beside
    assert not re.search("nan", f"{found.value} {found.null} {found.beside}")
    usual = RULES[number](measured(S, corners={k: without(x, usual=[2]) for k, x in kinds.items()}))
    assert (usual.verdict, usual.value) == (HOLDS, RULES[number](measured(S, corners=kinds)).value)
    assert "a usual run of seed 12 is not there" in usual.beside
    assert not re.search("nan", f"{usual.value} {usual.null} {usual.beside}")
    alone = RULES[number](measured(S, corners={**kinds, kind: without(kinds[kind], 0, 1)}))
    assert alone.verdict == UNDECIDED and "a run from a corner of seed 10, 11 is not there" in alone.value


def test_claims_whose_runs_are_not_there_are_left_out_and_named():
    every = measured(S)
    assert [x.number for x in claims.there(every)] == list(RULES) and not claims.left_out(every)
    without = measured(S, missing={SPEED: "no file", SYNTHETIC: "none"}, widths=None, synthetic=None)
    assert set(RULES) - {x.number for x in claims.there(without)} == {"L7", "L7b", "L9"}
    assert claims.left_out(without)[0] == f"Left out: L7, L7b, of {SPEED}. No file."
    alone = {x.number for x in claims.there(measured(S, missing=dict.fromkeys((GRID, CORNERS, SPEED), "none")))}
    assert alone == {"L9"}
    assert set(claims.SECTION.values()) | {GRID} == set(SECTIONS)


def test_claims_have_numbers_sentences_and_places():
    assert len(RULES) == len(claims.CLAIMS) == 19
    assert all(claim.number and claim.sentence and claim.where for claim in claims.CLAIMS)
    assert all(claim.measure.__doc__ for claim in claims.CLAIMS)


def test_evaluation_and_training_are_told_apart():
    found = RULES["L1"](measured(S, **stress(evaluation=0.8)))
    assert f"{TRAINING}: 3 axes 0.900" in found.value and f"{EVALUATION}: 3 axes 0.800" in found.value


def test_the_null_says_what_levels_are_permuted_within():
    found = measured(3)
    assert "permuted within all else" in rules.l3_batch(found).null
    free = tuple(dataclasses.replace(x, others=False) for x in found.paths.factors[BATCH])
    factors = found.paths.factors | {BATCH: free}
    changed = dataclasses.replace(found, paths=dataclasses.replace(found.paths, factors=factors))
    assert "permuted among all" in rules.l3_batch(changed).null


def test_the_turn_of_the_path_is_said_where_it_is_known():
    found = measured(3)
    assert "cosine of the first and the last direction 0.13 +- 0.00" in RULES["L11"](found).beside
    unknown = tuple(dataclasses.replace(x, turns={ALL: np.nan}) for x in found.pictures)
    assert "cosine" not in RULES["L11"](dataclasses.replace(found, pictures=unknown)).beside


def test_what_the_readme_says_of_corners_and_gaussian_inputs_is_printed():
    found = measured(3)
    kinds = [corner for kind, corner in found.corners.items() if kind.startswith(more_rules.RANDOM)]
    first, last = np.mean([corner.ends for corner in kinds], axis=(0, 1))
    usual = np.mean([corner.between for corner in kinds])
    times = f"{last / usual:.1f} times what these are apart"
    said = f"d_B from the ends of usual runs: first {first:.2f}, last {last:.3f}, {times}"
    assert said in RULES["L8"](found).beside
    unknown = {kind: dataclasses.replace(x, ends=np.full((3, 2), np.nan)) for kind, x in found.corners.items()}
    assert "ends of usual" not in RULES["L8"](dataclasses.replace(found, corners=unknown)).beside
    x = found.synthetic
    gap = np.sort(x.stress[found.sloppy][:, -1] - x.stress[found.flat][:, -1])[:-1]
    assert f"without the combination of the largest difference {gap.mean():+.3f} +- " in RULES["L9"](found).beside
