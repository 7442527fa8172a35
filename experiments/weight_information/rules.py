"""The rules of the claims: what each asks of what was measured, and its null or control.

Rules were fixed before the networks that they are applied to were trained; README.md has them in words.  SE is the
standard error of a mean over seeds; a bound is passed if the mean is on that side of it by more than 2 SE.
"""

import itertools
import math
from collections.abc import Mapping

import numpy as np

from experiments.weight_information import bounds
from experiments.weight_information.measured import CLASSES, MEASURES, Measured, Sweep
from learning.finding import Finding, above, below, decide, ranks, rises, said

IGNORANT = math.log(CLASSES)  # nats, the cross entropy of equal probabilities
MONOTONE = 0.95  # rank correlation
MORE = 2  # times the information, for random labels
WORSE = 0.02  # nats, by which a warm start may be better
ORDER, FAILING = 2.0, 0.05  # b and delta of bounds
AGREE = 0.6  # rank correlation of two measures
FALL, EARLY = 3, 1 / 3  # of Fisher information: by how much, and the part of training in which its peak is
LOCAL = 0.5  # rank correlation


def strict(sweep: Sweep) -> np.ndarray:
    """Return Catoni's bound (S, K) on losses clipped at log C, with priors on a grid, b = 2, delta = 0.05; or nan.

    Half of delta is for the choice of images, half for that of the draws that stand for E_Q.
    """
    pairs = zip(sweep["clipped"].flat, sweep["kl_of_fixed_priors"].flat)
    return np.reshape([_catoni(loss, kl, sweep.samples) for loss, kl in pairs], sweep["clipped"].shape)


def _catoni(loss, kl, samples):
    if not math.isfinite(loss + kl):
        return math.nan
    largest = bounds.above_mean_of_draws(loss, IGNORANT, FAILING / 2)
    return bounds.catoni(largest, kl, samples, beta=ORDER, largest=IGNORANT, delta=FAILING / 2)


def e5(found: Measured) -> Finding:
    """The structure function: at a higher price networks know less of the images, and predict them worse.

    Holds if the rank correlations of beta with KL and with the cross entropy of draws, of right labels, are below
    -MONOTONE and above MONOTONE in every seed; fails if one is on average on the other side of 0.
    """
    x = found.by_noise[0]
    down, up = ranks(x.beta, x["kl"]), ranks(x.beta, x["cross_entropy_of_draws"])
    random = found.by_noise[1]
    good = bool((down < -MONOTONE).all() and (up > MONOTONE).all())
    return Finding(
        f"rank correlation of beta with KL {said(down)}, with cross entropy {said(up)}",
        f"no order: 0; random labels: {said(ranks(random.beta, random['kl']))}",
        decide(good, down.mean() > 0 or up.mean() < 0),
        {},
    )


def e5_random(found: Measured) -> Finding:
    """Random labels cost more: KL at one cross entropy rises with the share of random labels.

    At MATCHED nats.  Holds if KL of random labels is above MORE times that of right ones, and each share of random
    labels costs more than the one before; fails if the first is below, or one costs less.
    """
    logs = np.array([np.log(x.at("kl")) for x in found.by_noise.values()])
    ordered, broken = rises(np.diff(logs, axis=0))
    ratio = np.exp(logs[-1] - logs[0])
    each = ", ".join(f"{noise:g}: {said(x.at('kl') / x.samples, 1, False)}" for noise, x in found.by_noise.items())
    return Finding(
        f"random / right {said(ratio, 1, False)}; KL / N by share: {each}",
        "the same: 1",
        decide(ordered and above(ratio, MORE), broken or below(ratio, MORE)),
        {},
    )


def e5_warm(found: Measured) -> Finding:
    """What is not learned is not worth its price: from a memorising network the objective ends no lower.

    CE + beta KL, / N, less that from initial weights.  Holds if no difference is below -WORSE, on average by 2 SE or in
    the mean; fails if one is by 2 SE.
    """
    rows, good, bad = [], True, False
    for noise, warm in found.again.items():
        cold = found.by_noise[noise]
        for k, beta in enumerate(warm.beta):
            gap = _objective(warm)[:, k] - _objective(cold)[:, np.flatnonzero(cold.beta == beta)[0]]
            good, bad = good and gap.mean() > -WORSE, bad or below(gap, -WORSE)
            rows.append(f"{'random' if noise else 'right'}, {beta:g}: {said(gap, 3)}")
    return Finding("; ".join(rows), "no difference: 0", decide(good, bad), {})


def _objective(x):
    """Return the objective (S, K), in nats for each image."""
    return x["cross_entropy_of_draws"] + x.beta * x["kl"] / x.samples


def e6(found: Measured) -> Finding:
    """Catoni's bound is above the loss of other images.

    `strict`, of all networks of right and random labels.  Holds if it is for all of them, and fails otherwise.
    """
    sweeps = [*(found.by_noise[noise] for noise in (0, 1)), *found.bounded.values()]
    gaps = np.concatenate([(strict(x) - x["test_loss_clipped"]).ravel() for x in sweeps])
    over = (gaps < 0).sum()
    return Finding(
        f"{over} of {gaps.size} networks above their bound; nearest {gaps.min():.2f} nats below it",
        f"{FAILING:.0%} of them may be",
        decide(bool((gaps >= 0).all()), bool(over)),
        {},
    )


def e6_says(found: Measured) -> Finding:
    """The bound says something: of right labels it is below log C, of random labels never.

    Of 5,000 images, at the beta where it is lowest on average.  Holds if it is below log C there, and no bound of
    random labels is; fails if it is above, or one is.
    """
    x, random = strict(found.bounded[0]), strict(found.bounded[1])
    k = int(x.mean(axis=0).argmin())
    loss = found.bounded[0]["test_loss_clipped"][:, k]
    false = bool((random < IGNORANT).any())
    few = strict(found.by_noise[0]).mean(axis=0).min()
    return Finding(
        f"beta {found.bounded[0].beta[k]:g}: {said(x[:, k], 2, False)}, loss {said(loss, 2, False)}",
        f"random labels, at least {random.min():.2f}; log C = {IGNORANT:.2f}",
        decide(below(x[:, k], IGNORANT) and bool((random >= IGNORANT).all()), above(x[:, k], IGNORANT) or false),
        {},
        f"of {found.by_noise[0].samples} images the lowest bound is {few:.2f}",
    )


def e8(found: Measured) -> Finding:
    """Four measures of the information in the weights agree: networks are in one order.

    KL, 1/2 [|w|^2 / lambda^2 + log det], N tr F and log2(1 / sigma), at one cross entropy, over label noise and N; rank
    correlations of each seed.  Holds if those of all pairs are above AGREE; fails if one is below.
    """
    values = _of_conditions(found)
    pairs = {pair: ranks(values[pair[0]], values[pair[1]]) for pair in itertools.combinations(MEASURES, 2)}
    alone = {**values, "trace": values["trace"] / np.array([x.samples for x in found.conditions.values()])}
    other = "; ".join(
        f"trace, {name} {said(ranks(alone['trace'], alone[name]))}" for name in MEASURES if name != "trace"
    )
    return Finding(
        "; ".join(f"{a}, {b} {said(x)}" for (a, b), x in pairs.items()),
        f"shuffled: 0 +- {1 / math.sqrt(max(values['KL'].shape[1] - 1, 1)):.2f}; {values['KL'].shape[1]} conditions",
        decide(all(above(x, AGREE) for x in pairs.values()), any(below(x, AGREE) for x in pairs.values())),
        {},
        f"of tr F in place of N tr F: {other}",
    )


def _of_conditions(found: Measured) -> Mapping[str, np.ndarray]:
    """Return {measure: (S, conditions)} at the matched cross entropy."""
    return {name: np.array([x.at(key) for x in found.conditions.values()]).T for name, key in MEASURES.items()}


def e8_grows(found: Measured) -> Finding:
    """... and grows with the number of images and with label noise, by the log-determinant and by KL.

    At one cross entropy.  Holds if every step to more images, or to more random labels, raises both; fails if one
    lowers either.
    """
    rows, steps = [], []
    lines = {f"N, label noise {noise:g}": by_samples(found, noise) for noise in (0, 1)}
    for name, sweeps in {**lines, "label noise": list(found.by_noise.values())}.items():
        for key in ("information", "kl"):
            logs = np.log([x.at(key) for x in sweeps])
            steps += list(np.diff(logs, axis=0))
            rows.append(
                f"{name}, {'KL' if key == 'kl' else 'log-determinant'} {said(np.exp(logs[-1] - logs[0]), 1, False)}"
            )
    good, bad = rises(np.array(steps))
    return Finding("last / first: " + "; ".join(rows), "no growth: 1", decide(good, bad), {})


def by_samples(found: Measured, noise: float) -> list[Sweep]:
    """Return the sweeps with a label noise, by N."""
    return [x for (other, _), x in sorted(found.by_samples.items()) if other == noise]


def e9(found: Measured) -> Finding:
    """In training the Fisher information rises, then falls.

    tr F on training images.  Holds if its peak is above its first value, above FALL times the last one, and in the
    first third of training; fails if one of these is on the other side.
    """
    x, epochs = found.course["trace"], found.course.epochs
    peak, at = x.max(axis=1), epochs[x.argmax(axis=1)] / epochs[-1]
    known = bool(np.isfinite(x).all())
    good = known and above(peak / x[:, 0], 1) and above(peak / x[:, -1], FALL) and below(at, EARLY)
    bad = known and (below(peak / x[:, -1], FALL) or above(at, EARLY) or bool((x.argmax(axis=1) == 0).all()))
    other = found.course["trace_held_out"]
    return Finding(
        f"peak / first {said(peak / x[:, 0], 1, False)}, peak / last {said(peak / x[:, -1], 1, False)}, "
        f"at epoch {said(at * epochs[-1], 1, False)} of {epochs[-1]:g}",
        "no change: 1",
        decide(good, bad),
        {},
        f"on other images, peak / last {said(other.max(axis=1) / other[:, -1], 1, False)}",
    )


def e9_control(found: Measured) -> Finding:
    """... and not because networks become sure of what they say.

    tr F for each nat of mean entropy, at the end over that where tr F is largest.  Holds if it is below 1 / FALL; fails
    if it is above 1.
    """
    course = found.course
    x, seeds, at = course["trace"] / course["entropy"], range(len(found.seeds)), course["trace"].argmax(axis=1)
    ratio, warm = x[:, -1] / x[seeds, at], course["trace_at_entropy"]
    return Finding(
        f"last / at the peak {said(ratio)}",
        "no change: 1",
        decide(below(ratio, 1 / FALL), above(ratio, 1)),
        {},
        f"at the temperature of 0.5 nats, last / at the peak {said(warm[:, -1] / warm[seeds, at])}",
    )


def e9_metric(found: Measured) -> Finding:
    """Fisher information is the metric of predictions, which move further for a step of weights where it is large.

    Rank correlation over checkpoints of d_B(P_t, P_t+1) / |dw|^2 with tr F, the mean of both ends.  Holds if it is
    above LOCAL; fails if it is below.
    """
    x = found.course
    rate, trace = x.steps / x["moved"][:, 1:], (x["trace_held_out"][:, 1:] + x["trace_held_out"][:, :-1]) / 2
    of_training = (x["trace"][:, 1:] + x["trace"][:, :-1]) / 2
    found_ranks = ranks(trace, rate)
    return Finding(
        f"rank correlation {said(found_ranks)}",
        "no order: 0",
        decide(above(found_ranks, LOCAL), below(found_ranks, LOCAL)),
        {},
        f"with tr F on training images {said(ranks(of_training, rate))}",
    )
