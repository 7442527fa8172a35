"""Rules of claims: made-up measurements for which each holds, does not hold, or is undecided, about bounds."""

import dataclasses
import math
import re

import numpy as np
import pytest

from experiments.weight_information import claims
from experiments.weight_information.bounds import above_mean_of_draws
from experiments.weight_information.measured import NUISANCES, Measured
from experiments.weight_information.rules import strict
from tests.experiments.weight_information.made_up_measured import BATCHES, MANY, SAMPLES, measured

RULES = {claim.number: claim.measure for claim in claims.CLAIMS}
S = 3
FOUND = measured(S)
SPREAD = np.array([-1.0, 0, 1])[:, None]  # over seeds; 2 SE of this are 1.15
LOG_C = math.log(10)
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


def with_known(x, **known):
    """Return a Sweep or Course of which other things are known, of any shape that (S, K) has room for."""
    shape = x["training_accuracy"].shape
    return dataclasses.replace(x, known={**x.known, **{key: np.broadcast_to(y, shape) for key, y in known.items()}})


def of(name, key, **known):
    """Return what is measured with other things known of one of several sweeps or courses."""
    found = getattr(FOUND, name)
    return {name: {**found, key: with_known(found[key], **known)}}


def put(values, k, value):
    """Return values (S, K) with another one, or others (S, 1), at one or several places k."""
    values = np.array(np.broadcast_to(values, (S, np.shape(values)[-1])), float)
    values[:, np.atleast_1d(k)] = value
    return values


def swapped(count, *pairs):
    """Return 0 ... count - 1, with pairs of them swapped."""
    order = np.arange(count, dtype=float)
    for i, j in pairs:
        order[[i, j]] = order[[j, i]]
    return order


def rho(order):
    """Return the rank correlation of different numbers with 0, 1, ..., by its formula."""
    n = len(order)
    return 1 - 6 * np.square(order - np.arange(n)).sum() / (n * (n * n - 1))


def seeds(*rows):
    return np.array(rows, float)


# the nearest orders on both sides of each bound
NEAR_095 = swapped(10, (4, 6)), swapped(10, (4, 6), (0, 1))
NEAR_06 = swapped(10, (0, 4), (5, 9)), swapped(10, (0, 5), (6, 9))
NEAR_05 = swapped(19, (0, 16), (1, 6), (2, 3), (4, 5), (7, 8)), swapped(19, (0, 16), (1, 6), (2, 4), (7, 8))
NEAR_0 = swapped(8, (0, 6), (1, 3), (4, 5)), swapped(8, (0, 5), (1, 4), (3, 6))
NEAR_07 = swapped(8, (0, 3), (1, 2), (4, 5), (6, 7)), swapped(8, (0, 3), (4, 6))


@pytest.mark.parametrize(
    ("orders", "bound", "within"),
    [(NEAR_095, 0.95, 0.015), (NEAR_06, 0.6, 0.015), (NEAR_05, 0.5, 0.005), (NEAR_0, 0, 0.03), (NEAR_07, 0.7, 0.015)],
)
def test_orders_are_next_to_the_bounds_that_rules_name(orders, bound, within):
    first, second = map(rho, orders)
    assert bound < first < bound + within and bound - within < second < bound


def of_images(**known):
    return of("by_noise", 0, **known)


def costs(*ratios):
    """Return KL at which it is a multiple (n,) or (S, n) of that of right labels, by share of random labels."""
    right, found = FOUND.by_noise[0].at("kl"), {}
    for (noise, x), ratio in zip(FOUND.by_noise.items(), (1, *ratios)):
        by = np.broadcast_to(np.ravel(ratio) * right / x.at("kl"), S)[:, None]
        found[noise] = with_known(x, kl=x["kl"] * by)
    return {"by_noise": found}


def warm(gap, noise=1, k=0):
    """Return warm starts of which one ends with an objective that is higher by a gap (S, 1)."""
    x = FOUND.again[noise]["cross_entropy_of_draws"]
    return of("again", noise, cross_entropy_of_draws=put(x, k, x[:, [k]] + gap))


def beneath(gap, name="bounded", noise=0, k=1):
    """Return the loss of one network, which is this much below its bound."""
    x = getattr(FOUND, name)[noise]
    loss = np.array(x["test_loss_clipped"])
    loss[1, k] = strict(x)[1, k] - gap
    return of(name, noise, test_loss_clipped=loss)


def bounded(lowest, noise=0, k=2):
    """Return networks of which bounds are 3 nats, but for one beta, at which they are as low as this (S, 1)."""
    bound = put(np.full((S, 4), 3.0), k, lowest)
    most = above_mean_of_draws(0.1, LOG_C, 0.025)
    kl = (0.75 * bound - most) * MANY / (2 * LOG_C) - math.log(40)
    return of("bounded", noise, clipped=0.1, kl_of_fixed_priors=kl)


def conditions(key, values):
    """Return what is measured where something is as large as this (n,) or (S, n) in each condition, of any beta.

    Conditions are in the order of the KL that they cost at the matched cross entropy.
    """
    every = FOUND.conditions
    order = np.argsort([x.at("kl").mean() for x in every.values()])
    found = {list(every)[i]: value for i, value in zip(order, np.broadcast_to(values, (S, len(every))).T[:, :, None])}
    by_samples = {at: with_known(x, **{key: found[at]}) for at, x in FOUND.by_samples.items()}
    by_noise = {noise: with_known(x, **{key: found[noise, SAMPLES]}) for noise, x in FOUND.by_noise.items()}
    return {"by_samples": by_samples, "by_noise": by_noise}


def step(name, key, before, what, ratio):
    """Return what is measured where something is so many times (S, 1) as large as in the condition before."""
    found = getattr(FOUND, name)
    by = ratio * (found[before].at(what) / found[key].at(what))[:, None]
    return of(name, key, **{what: found[key][what] * by})


def course(**known):
    return {"course": with_known(FOUND.course, **known)}


TRACE = FOUND.course["trace"]
PEAK = TRACE.max(axis=1, keepdims=True)


def peaks_at(*places):
    """Return the course of which the peak is at another checkpoint, by seed."""
    return course(trace=np.where(np.arange(TRACE.shape[1]) == np.reshape(places, (S, 1)), 2 * PEAK, TRACE))


def sure(ratio):
    """Return the course of which tr F / entropy at the end is a ratio (S, 1) of that at the peak."""
    x = FOUND.course["entropy"]
    of_peak = np.take_along_axis(TRACE / x, TRACE.argmax(axis=1)[:, None], axis=1)
    return course(entropy=put(x, -1, TRACE[:, [-1]] / (ratio * of_peak)))


def moves(*orders):
    """Return the course whose predictions move, for a step of weights, in this order of Fisher information."""
    x = FOUND.course
    pairs = x["trace_held_out"][:, 1:] + x["trace_held_out"][:, :-1]
    rate = np.take_along_axis(np.resize(orders, pairs.shape), pairs.argsort(axis=1).argsort(axis=1), axis=1)
    return {"course": dataclasses.replace(x, steps=(1 + rate) * x["moved"][:, 1:])}


def ways(*orders):
    """Return ordinary networks whose lengths are in this order of what their weights hold."""
    place = np.argsort([x["information"][:, -1].mean() for x in FOUND.ordinary.values()]).argsort()
    each = np.resize(orders, (S, len(place)))
    return {
        "ordinary": {
            key: dataclasses.replace(x, length=1 + each[:, i]) for (key, x), i in zip(FOUND.ordinary.items(), place)
        }
    }


def batches(what, *factors):
    """Return batches of which something is a multiple, (1,) or (S, 1), of that of the smallest."""
    x = FOUND.batches[16]
    return {"batches": {size: with_known(x, **{what: y * x[what]}) for size, y in zip(BATCHES, (1, *factors))}}


def at_beta(name, key, what, beta, value):
    """Return what is measured with another value (S, 1) at a beta."""
    x = getattr(FOUND, name)[key]
    return of(name, key, **{what: put(x[what], np.flatnonzero(x.beta == beta)[0], value)})


def threshold(name, key, value):
    """Return what is measured with another beta_50 (S, 1) of a sweep."""
    beta = getattr(FOUND, name)[key].beta
    return of(name, key, training_accuracy=0.55 - 0.03 * np.log(beta / value))


def of_other(name, key, ratio):
    """Return beta_50 (S, 1) that is a multiple of another one."""
    return ratio * getattr(FOUND, name)[key].thresholds[:, None]


def told(what, *orders, kind=NUISANCES[1], **known):
    """Return a nuisance of which something is in this order of KL."""
    x = FOUND.nuisances[kind]
    place = x["kl"][0].argsort().argsort()
    return of("nuisances", kind, **{what: 1 + np.resize(orders, (S, 8))[:, place], **known})


def of_nuisances(what):
    """Return the changes of E1, E3 or E12."""
    seven = put(FOUND.nuisances["stripes"]["training_accuracy"], 7, 0.69)
    enough = put(seven, 7, 0.71 + 0.2 * SPREAD)  # on average
    return [
        *((HOLDS, told(what, NEAR_07[0], kind=kind)) for kind in NUISANCES),
        *((FAILS, told(what, NEAR_07[1], kind=kind)) for kind in NUISANCES),
        (UNDECIDED, told(what, np.arange(8), NEAR_07[1], swapped(8, (0, 5)))),
        (HOLDS, told(what, np.arange(8), training_accuracy=enough)),
        (UNDECIDED, told(what, np.arange(8), training_accuracy=seven)),
        (FAILS, told(what, swapped(8, (0, 6)), training_accuracy=seven)),
        (UNDECIDED, told(what, np.arange(8), training_accuracy=0.69)),
        (UNDECIDED, of("nuisances", "position", **{what: put(np.zeros(8), 0, np.nan)})),
    ]


def dropped(values, seed=1):
    """Return values of which those of a seed are nan."""
    return np.where(np.arange(S)[:, None] == seed, np.nan, values)


RIGHT, RANDOM = FOUND.by_noise[0], FOUND.by_noise[1]
ONES = np.ones((S, 1))
CHANGES = {  # {claim: [(verdict, what is measured instead)]}
    "E5": [
        (HOLDS, of_images(kl=10 - NEAR_095[0])),
        (UNDECIDED, of_images(kl=10 - NEAR_095[1])),
        (UNDECIDED, of_images(kl=10 - seeds(NEAR_095[0], NEAR_095[1], np.arange(10)))),  # every seed counts
        (FAILS, of_images(kl=RIGHT["kl"][:, ::-1])),
        (HOLDS, of_images(cross_entropy_of_draws=NEAR_095[0])),
        (UNDECIDED, of_images(cross_entropy_of_draws=NEAR_095[1])),
        (FAILS, of_images(cross_entropy_of_draws=RIGHT["cross_entropy_of_draws"][:, ::-1])),
        (FAILS, of_images(kl=1 + seeds(np.arange(10), np.arange(10), -np.arange(10)))),  # on average
        (UNDECIDED, of_images(kl=np.ones(10))),
        (UNDECIDED, of_images(kl=dropped(RIGHT["kl"]))),
    ],
    "E5b": [
        (HOLDS, costs(1.2, 1.5, 2.01)),
        (FAILS, costs(1.2, 1.5, 1.99)),
        (UNDECIDED, costs(1.2, 1.5, 2.1 + 0.2 * SPREAD)),
        (UNDECIDED, costs(1.2, 1.5, 1.9 + 0.2 * SPREAD)),
        (HOLDS, costs(1.2, 1.2001, 3)),
        (FAILS, costs(1.2, 1.1999, 3)),
        (FAILS, costs(0.999, 1.5, 3)),
        (UNDECIDED, costs(1.2, 1.25 + 0.1 * SPREAD, 3)),
        (UNDECIDED, costs(1.2, dropped(1.5 * ONES), 3)),
    ],
    "E5c": [
        *((HOLDS, warm(-0.0199, noise, k)) for noise in (0, 1) for k in (0, 1)),
        *((FAILS, warm(-0.0201, noise, k)) for noise in (0, 1) for k in (0, 1)),
        (HOLDS, warm(1)),
        (UNDECIDED, warm(-0.03 + 0.01 * SPREAD)),
        (HOLDS, warm(-0.019 + 0.5 * SPREAD)),  # in the mean
        (UNDECIDED, warm(dropped(0 * ONES))),
    ],
    "E6": [
        *((HOLDS, beneath(1e-6, name, noise)) for name in ("by_noise", "bounded") for noise in (0, 1)),
        *((FAILS, beneath(-1e-6, name, noise)) for name in ("by_noise", "bounded") for noise in (0, 1)),
        (HOLDS, of("by_noise", 0.5, test_loss_clipped=100)),  # of right and random labels alone
    ],
    "E6b": [
        (HOLDS, bounded(LOG_C - 0.001)),
        (FAILS, bounded(LOG_C + 0.001)),
        (UNDECIDED, bounded(LOG_C - 0.01 + 0.02 * SPREAD)),
        (UNDECIDED, bounded(LOG_C + 0.01 + 0.02 * SPREAD)),
        (HOLDS, bounded(LOG_C + 0.001, noise=1)),
        (FAILS, bounded(LOG_C - 0.001, noise=1)),
        (FAILS, bounded(LOG_C + 0.001 * (1 + 1.01 * SPREAD), noise=1)),  # of one
        (UNDECIDED, bounded(dropped(ONES))),
    ],
    "E7, E8": [
        *((HOLDS, conditions(key, NEAR_06[0])) for key in ("kl", "information", "trace_of_all", "fineness")),
        *((FAILS, conditions(key, NEAR_06[1])) for key in ("kl", "information", "trace_of_all", "fineness")),
        (UNDECIDED, conditions("fineness", seeds(np.arange(10), NEAR_06[1], NEAR_06[1]))),
        (UNDECIDED, conditions("fineness", dropped(np.arange(10)))),
        (UNDECIDED, conditions("fineness", np.ones(10))),
        (HOLDS, conditions("fineness", np.where(np.arange(10) == 3, np.nan, np.arange(10)))),  # of the others
    ],
    "E8b": [
        *((HOLDS, step("by_samples", (noise, 2000), (noise, 1000), "kl", 1.001)) for noise in (0, 1)),
        *((FAILS, step("by_samples", (noise, 2000), (noise, 1000), "kl", 0.999)) for noise in (0, 1)),
        (HOLDS, step("by_samples", (0, 2000), (0, 1000), "information", 1.001)),
        (FAILS, step("by_samples", (0, 2000), (0, 1000), "information", 0.999)),
        *((FAILS, step("by_noise", 0.25, 0, key, 0.999)) for key in ("information", "kl")),
        (HOLDS, step("by_noise", 0.25, 0, "kl", 1.001)),
        (UNDECIDED, step("by_noise", 0.25, 0, "kl", 1.05 + 0.1 * SPREAD)),
        (UNDECIDED, step("by_samples", (0, 2000), (0, 1000), "information", 0.95 + 0.1 * SPREAD)),
    ],
    "E9": [
        (HOLDS, course(trace=put(TRACE, -1, PEAK / 3.01))),
        (FAILS, course(trace=put(TRACE, -1, PEAK / 2.99))),
        (UNDECIDED, course(trace=put(TRACE, -1, PEAK / (3.1 + 0.2 * SPREAD)))),
        (HOLDS, peaks_at(16, 16, 16)),  # epoch 23 of 80
        (FAILS, peaks_at(17, 17, 17)),  # 35
        (UNDECIDED, peaks_at(17, 16, 9)),
        (HOLDS, course(trace=put(TRACE, 0, PEAK / 1.001))),
        (FAILS, peaks_at(0, 0, 0)),
        (UNDECIDED, peaks_at(0, 0, 9)),
        (UNDECIDED, course(trace=dropped(TRACE))),
    ],
    "E9b": [
        (HOLDS, sure(0.333)),
        (UNDECIDED, sure(0.334)),
        (UNDECIDED, sure(0.999)),
        (FAILS, sure(1.001)),
        (UNDECIDED, sure(0.3 + 0.1 * SPREAD)),
        (UNDECIDED, sure(1.1 + 0.2 * SPREAD)),
        (UNDECIDED, sure(dropped(0.1 * ONES))),
    ],
    "E9c": [
        (HOLDS, moves(NEAR_05[0])),
        (FAILS, moves(NEAR_05[1])),
        (UNDECIDED, moves(np.arange(19), np.arange(19), -np.arange(19))),
        (UNDECIDED, course(trace_held_out=dropped(FOUND.course["trace_held_out"]))),
        (HOLDS, course(trace=1)),  # of other images
    ],
    "E9d": [
        (HOLDS, ways(NEAR_0[0])),
        (FAILS, ways(NEAR_0[1])),
        (UNDECIDED, ways(NEAR_0[0], NEAR_0[1], NEAR_0[0])),
        (UNDECIDED, ways(np.zeros(8))),
        (UNDECIDED, ways(np.arange(8), np.full(8, np.nan), np.arange(8))),
    ],
    "E11": [
        (HOLDS, batches("trace", 1.2, 1.5, 2.01)),
        (UNDECIDED, batches("trace", 1.2, 1.5, 1.99)),
        (UNDECIDED, batches("trace", 1.5, 1.2, 2.6)),
        (UNDECIDED, batches("trace", 1.5, 1.2, 1.001)),
        (FAILS, batches("trace", 1.2, 1.5, 0.999)),
        (HOLDS, batches("trace", 1.2, 1.5 + 1.2 * SPREAD, 2.01)),  # means rise
        (UNDECIDED, batches("trace", 1.2, 1.5, 2.1 + 0.2 * SPREAD)),
        (UNDECIDED, batches("trace", 1.2, 1.5, 0.9 + 0.2 * SPREAD)),
        (UNDECIDED, batches("trace", 1.2, 1.5, dropped(3 * ONES))),
    ],
    "E11b": [
        (HOLDS, batches("determinant", 1.2, 1.2001, 3)),
        (FAILS, batches("determinant", 1.2, 1.1999, 3)),
        (FAILS, batches("determinant", 0.999, 1.5, 3)),
        (UNDECIDED, batches("determinant", 1.2, 1.25 + 0.1 * SPREAD, 3)),
        (UNDECIDED, batches("determinant", 1.2, dropped(1.5 * ONES), 3)),
    ],
    "E13": [
        *((HOLDS, at_beta("by_noise", 1, "training_accuracy", beta, 0.951)) for beta in (0.001, 0.01)),
        *((FAILS, at_beta("by_noise", 1, "training_accuracy", beta, 0.949)) for beta in (0.001, 0.01)),
        (HOLDS, at_beta("by_noise", 1, "training_accuracy", 0.03, 0.2)),  # between
        (UNDECIDED, at_beta("by_noise", 1, "training_accuracy", 0.01, 0.951 + 0.01 * SPREAD)),
        *((HOLDS, at_beta("by_noise", 1, "cross_entropy_of_draws", 1, LOG_C + x)) for x in (-0.0199, 0.0199)),
        *((FAILS, at_beta("by_noise", 1, "cross_entropy_of_draws", 10, LOG_C + x)) for x in (-0.0201, 0.0201)),
        (HOLDS, at_beta("by_noise", 1, "cross_entropy_of_draws", 0.3, 0.5)),
        (UNDECIDED, at_beta("by_noise", 1, "cross_entropy_of_draws", 1, LOG_C + 0.021 + 0.01 * SPREAD)),
        (UNDECIDED, at_beta("by_noise", 1, "cross_entropy_of_draws", 1, dropped(LOG_C * ONES))),
    ],
    "E13b": [
        (HOLDS, threshold("by_noise", 1, of_other("by_noise", 0, 1 / 10.01))),
        (FAILS, threshold("by_noise", 1, of_other("by_noise", 0, 1 / 9.99))),
        (UNDECIDED, threshold("by_noise", 1, of_other("by_noise", 0, 1 / (10.1 + 0.2 * SPREAD)))),
        (UNDECIDED, threshold("by_noise", 1, of_other("by_noise", 0, 1 / (9.9 + 0.2 * SPREAD)))),
        (HOLDS, at_beta("by_noise", 0, "training_accuracy", 1, 0.601)),
        (FAILS, at_beta("by_noise", 0, "training_accuracy", 1, 0.599)),
        (UNDECIDED, at_beta("by_noise", 0, "training_accuracy", 1, 0.61 + 0.02 * SPREAD)),
        (UNDECIDED, of("by_noise", 1, training_accuracy=dropped(RANDOM["training_accuracy"]))),
        (UNDECIDED, of_images(training_accuracy=0.7)),  # never forgotten
    ],
    "E13c": [
        (HOLDS, threshold("by_samples", (1, 500), 0.999)),
        (FAILS, threshold("by_samples", (1, 500), 1.001)),
        (FAILS, threshold("posteriors", "diagonal", 1.001)),
        (UNDECIDED, threshold("by_samples", (1, 500), 0.99 + 0.05 * SPREAD)),
        (UNDECIDED, of("by_samples", (1, 250), training_accuracy=0.9)),
        (UNDECIDED, of("posteriors", "isotropic", training_accuracy=0.1)),
        (HOLDS, of("by_samples", (0, 1000), training_accuracy=0.9)),
    ],
    "E13d": [
        (HOLDS, threshold("by_samples", (1, 2000), of_other("by_samples", (1, 250), 1 / 1.099))),
        (FAILS, threshold("by_samples", (1, 2000), of_other("by_samples", (1, 250), 1 / 1.101))),
        (HOLDS, threshold("by_samples", (1, 1000), 0.02)),  # only the most and the fewest
        (UNDECIDED, threshold("by_samples", (1, 2000), of_other("by_samples", (1, 250), 0.93 + 0.05 * SPREAD))),
        (UNDECIDED, threshold("by_samples", (1, 2000), of_other("by_samples", (1, 250), 0.88 + 0.05 * SPREAD))),
        (UNDECIDED, of("by_samples", (1, 2000), training_accuracy=0.9)),
    ],
    "E13e": [
        (HOLDS, threshold("by_noise", 0.5, of_other("by_noise", 0.25, 0.999))),
        (FAILS, threshold("by_noise", 0.5, of_other("by_noise", 0.25, 1.001))),
        (FAILS, threshold("by_noise", 1, of_other("by_noise", 0.5, 1.001))),
        (UNDECIDED, threshold("by_noise", 0.5, of_other("by_noise", 0.25, 0.99 + 0.05 * SPREAD))),
        (UNDECIDED, of("by_noise", 0.25, training_accuracy=0.9)),
    ],
    "E13f": [
        (HOLDS, threshold("posteriors", "isotropic", of_other("posteriors", "diagonal", 0.999))),
        (FAILS, threshold("posteriors", "isotropic", of_other("posteriors", "diagonal", 1.001))),
        (UNDECIDED, threshold("posteriors", "isotropic", of_other("posteriors", "diagonal", 0.99 + 0.05 * SPREAD))),
        (HOLDS, threshold("posteriors", "low_rank", of_other("posteriors", "diagonal", 0.7))),  # beside
        (UNDECIDED, of("posteriors", "isotropic", training_accuracy=0.9)),
    ],
    "P1": [
        (HOLDS, of_images(ignorance=10 - NEAR_095[0])),
        (UNDECIDED, of_images(ignorance=10 - NEAR_095[1])),
        (UNDECIDED, of_images(ignorance=np.arange(10))),  # only what is said of random labels fails
        *((HOLDS, at_beta("by_noise", 1, "ignorance", beta, 0.301)) for beta in (0.001, 0.01)),
        *((FAILS, at_beta("by_noise", 1, "ignorance", beta, 0.299)) for beta in (0.001, 0.01)),
        (HOLDS, at_beta("by_noise", 1, "ignorance", 0.1, 0.2)),
        *((HOLDS, at_beta("by_noise", 1, "ignorance", beta, 0.0099)) for beta in (1, 10)),
        *((FAILS, at_beta("by_noise", 1, "ignorance", beta, 0.0101)) for beta in (1, 10)),
        (UNDECIDED, at_beta("by_noise", 1, "ignorance", 0.01, 0.31 + 0.02 * SPREAD)),
        (UNDECIDED, at_beta("by_noise", 1, "ignorance", 1, 0.009 + 0.002 * SPREAD)),
        (UNDECIDED, at_beta("by_noise", 1, "ignorance", 1, dropped(0 * ONES))),
    ],
    "E1": of_nuisances("nuisance_decoded_with_noise"),
    "E3": of_nuisances("nuisance_distance_at_entropy"),
    "E12": of_nuisances("input_information"),
}
CERTAIN = {"E6"}  # holds or does not, whatever seeds differ by
CASES = [(number, verdict, change) for number, each in CHANGES.items() for verdict, change in each]
NAMES = [f"{number}-{i}-{verdict}" for number, each in CHANGES.items() for i, (verdict, _) in enumerate(each)]


def each_seed(x, how):
    """Return what is measured with arrays (S, ...) as `how` returns them."""
    if isinstance(x, np.ndarray):
        return how(x)
    if dataclasses.is_dataclass(x):
        fixed = {"beta", "epochs"}
        values = {field.name: getattr(x, field.name) for field in dataclasses.fields(x)}
        found = type(x)(**{key: y if key in fixed else each_seed(y, how) for key, y in values.items()})
        return dataclasses.replace(found, seeds=tuple(how(np.array(x.seeds)))) if isinstance(x, Measured) else found
    return {key: each_seed(y, how) for key, y in x.items()} if isinstance(x, dict) else x


def test_claims_have_numbers_sentences_and_places():
    assert len(RULES) == len(claims.CLAIMS) == 23
    assert all(claim.number and claim.sentence and claim.where for claim in claims.CLAIMS)
    assert len({claim.measure for claim in claims.CLAIMS}) == 23


@pytest.mark.parametrize("count", [1, 2, 3, 5])
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
    assert told.keys() == RULES.keys()
    for number, each in told.items():
        assert each == {HOLDS, FAILS} | (set() if number in CERTAIN else {UNDECIDED})


@pytest.mark.parametrize(("number", "verdict", "change"), CASES, ids=NAMES)
def test_verdicts_do_not_depend_on_the_order_of_seeds(number, verdict, change):
    x = measured(S, **change)
    for order in ([2, 0, 1], [1, 0, 2]):
        assert RULES[number](each_seed(x, lambda y, order=order: y[order])).verdict == verdict


@pytest.mark.parametrize(("number", "verdict", "change"), CASES, ids=NAMES)
def test_of_one_seed_there_are_verdicts_and_texts(number, verdict, change):
    found = RULES[number](each_seed(measured(S, **change), lambda y: y[2:]))
    assert found.verdict in (HOLDS, FAILS, UNDECIDED) and found.value and found.null and "+-" not in found.value


@pytest.mark.parametrize("number", RULES)
def test_of_nans_there_are_texts(number):
    for count in (1, S):
        found = RULES[number](each_seed(measured(count), lambda x: np.full(x.shape, np.nan)))
        assert found.verdict in (HOLDS, FAILS, UNDECIDED) and found.value and found.null


@pytest.mark.parametrize("number", RULES)
def test_nans_leave_a_claim_undecided(number):
    assert RULES[number](each_seed(FOUND, lambda x: np.full(x.shape, np.nan))).verdict == UNDECIDED


@pytest.mark.parametrize("number", RULES)
def test_nans_of_one_seed_leave_a_claim_undecided(number):
    def without(x):
        return np.where(np.arange(S).reshape(S, *[1] * (x.ndim - 1)) == 1, np.nan, x)

    assert RULES[number](each_seed(FOUND, without)).verdict == UNDECIDED
