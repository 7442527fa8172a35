"""The rules of the claims on batches, random labels and nuisances; `rules` has the others."""

import numpy as np

from experiments.weight_information.measured import NUISANCES, Measured
from experiments.weight_information.rules import IGNORANT, MONOTONE, by_samples
from learning.finding import Finding, above, below, decide, rank, ranks, rises, said

LARGER = 2  # times the trace, from the smallest batches to the largest
CHANCE, MEMORISED, LEARNED = 0.02, 0.95, 0.6  # nats, accuracies
LOW, HIGH = 0.01, 1.0  # beta at which random labels are memorised, and not learned
APART = 10  # times the threshold, for right labels
SHRINKS = np.log(1.1)  # of a threshold, for more images
NEAR, FAR = 0.01, 0.3  # d_B from ignorance
COMPARABLE, FEWEST = 0.7, 8  # accuracy on training images, networks
INVARIANT = 0.7  # rank correlation


def length(found: Measured) -> Finding:
    """Networks that hold more information have come a longer way.

    Rank correlation, over ordinary networks that differ in label noise and N, of the information in the last weights
    with the Riemann length of the trajectory.  Holds if it is above 0; fails if it is below.
    """
    information = np.array([x["information"][:, -1] for x in found.ordinary.values()]).T
    lengths = np.array([x.length for x in found.ordinary.values()]).T
    values = ranks(information, lengths)
    determinants = np.array([x["determinant"][:, -1] for x in found.ordinary.values()]).T
    return Finding(
        f"rank correlation {said(values)}, of {lengths.shape[1]} networks",
        "no order: 0",
        decide(above(values), below(values)),
        {},
        f"of the log-determinant alone {said(ranks(determinants, lengths))}",
    )


def e11(found: Measured) -> Finding:
    """Smaller batches find weights of smaller Fisher information, at one cross entropy of training images.

    tr F, at REACHED nats.  Holds if the means rise with the size and those of the largest are above LARGER times those
    of the smallest; fails if the largest are below.
    """
    x = np.array([found.batches[size].at("trace") for size in sorted(found.batches)])
    ratio = x[-1] / x[0]
    order = rank(np.arange(len(x)), x.mean(axis=1))
    other = np.array([found.batches[size].at("trace_held_out") for size in sorted(found.batches)])
    return Finding(
        f"tr F {_each(found, x)}; largest / smallest {said(ratio, 1, False)}",
        "no change: 1",
        decide(bool(np.isclose(order, 1)) and above(ratio, LARGER), below(ratio, 1)),
        {},
        f"on other images largest / smallest {said(other[-1] / other[0], 1, False)}",
    )


def _each(found, x):
    return ", ".join(f"{size}: {said(row, 0, False)}" for size, row in zip(sorted(found.batches), x))


def e11_determinant(found: Measured) -> Finding:
    """... and of a smaller log-determinant.

    1/2 sum log(1 + lambda^2 N F), at REACHED nats.  Holds if every larger size has a larger one; fails if one has a
    smaller.
    """
    x = np.array([found.batches[size].at("determinant") for size in sorted(found.batches)])
    full = np.array([found.batches[size].at("log_determinant") for size in sorted(found.batches)])
    return Finding(
        _each(found, x),
        "no change",
        decide(*rises(np.diff(x, axis=0))),
        {},
        f"of the whole matrix {_each(found, full)}",
    )


def e13(found: Measured) -> Finding:
    """Random labels are memorised where information is cheap, and ignored where a nat costs a nat.

    Holds if the accuracy on training images is above MEMORISED at all beta up to LOW, and the cross entropy within
    CHANCE of log C from HIGH on; fails if one is on the other side.
    """
    x = found.by_noise[1]
    low, high = (
        x["training_accuracy"][:, x.beta <= LOW],
        np.abs(x["cross_entropy_of_draws"] - IGNORANT)[:, x.beta >= HIGH],
    )
    good = all(above(each, MEMORISED) for each in low.T) and all(below(each, CHANCE) for each in high.T)
    bad = any(below(each, MEMORISED) for each in low.T) or any(above(each, CHANCE) for each in high.T)
    return Finding(
        f"accuracy at least {low.mean(axis=0).min():.3f}; cross entropy within {high.mean(axis=0).max():.4f} of log C",
        f"right labels at beta 1: accuracy {said(_right(found), 2, False)}",
        decide(good, bad),
        {},
    )


def _right(found: Measured) -> np.ndarray:
    """Return the accuracy (S,) on training images of right labels at beta 1."""
    x = found.by_noise[0]
    return x["training_accuracy"][:, np.flatnonzero(x.beta == HIGH)[0]]


def e13_right(found: Measured) -> Finding:
    """Right labels are learned at a price at which random ones are not: the threshold is ten times as high.

    Of beta_50.  Holds if the ratio is above APART and the accuracy at beta 1 above LEARNED; fails if one is below.
    """
    right, random = found.by_noise[0].thresholds, found.by_noise[1].thresholds
    ratio, accuracy = right / random, _right(found)
    return Finding(
        f"beta_50 {said(right, 2, False)} and {said(random, 3, False)}, ratio {said(ratio, 0, False)}; "
        f"accuracy at beta 1 {said(accuracy, 2, False)}",
        "the same: 1",
        decide(above(ratio, APART) and above(accuracy, LEARNED), below(ratio, APART) or below(accuracy, LEARNED)),
        {},
    )


def e13_below(found: Measured) -> Finding:
    """Random labels: the threshold is below 1, since a Gaussian needs more nats than the best code.

    Holds if beta_50 of every N and posterior is below 1; fails if one is above.
    """
    sweeps = {f"N {x.samples}": x for x in by_samples(found, 1)} | dict(found.posteriors)
    values = {name: x.thresholds for name, x in sweeps.items()}
    return Finding(
        ", ".join(f"{name}: {said(x, 3, False)}" for name, x in values.items()),
        "the best code: 1",
        decide(all(below(x, 1) for x in values.values()), any(above(x, 1) for x in values.values())),
        {},
    )


def e13_samples(found: Measured) -> Finding:
    """... and does not fall with the number of images.

    log of beta_50 of the most images less that of the fewest.  Holds if it is above -SHRINKS; fails if it is below.
    """
    first, *_, last = by_samples(found, 1)
    change = np.log(last.thresholds / first.thresholds)
    return Finding(
        f"N {last.samples} / N {first.samples}: {said(np.exp(change), 2, False)}",
        "no change: 1",
        decide(above(change, -SHRINKS), below(change, -SHRINKS)),
        {},
    )


def e13_noise(found: Measured) -> Finding:
    """Partly random labels are in between: the threshold falls with their share.

    Holds if each share has a lower beta_50 than the one before; fails if one has a higher.
    """
    values = {noise: x.thresholds for noise, x in found.by_noise.items()}
    steps = -np.diff(np.log(list(values.values())), axis=0)
    told = ", ".join(f"{noise:g}: {said(x, 3, False)}" for noise, x in values.items())
    return Finding(told, "no change", decide(*rises(steps)), {})


def e13_posterior(found: Measured) -> Finding:
    """... and moves with the posteriors that are allowed: with one variance a layer it is lower than with one a weight.

    Holds if log beta_50 of one a layer is below; fails if it is above.
    """
    values = {name: x.thresholds for name, x in found.posteriors.items()}
    change = np.log(values["isotropic"] / values["diagonal"])
    wider = np.log(values["low_rank"] / values["diagonal"])
    return Finding(
        f"one a layer / one a weight {said(np.exp(change), 2, False)}",
        "no change: 1",
        decide(below(change), above(change)),
        {},
        f"of low rank besides {said(np.exp(wider), 2, False)}",
    )


def ignorance(found: Measured) -> Finding:
    """In prediction space beta is a way from the memoriser to ignorance, which random labels reach first.

    d_B of predictions on other images to equal ones.  Holds if its rank correlation with beta is below -MONOTONE for
    right labels in every seed, and of random labels it is above FAR at beta up to LOW and below NEAR from HIGH on;
    fails if one of these two is on the other side.
    """
    x, random = found.by_noise[0], found.by_noise[1]
    order = ranks(x.beta, x["ignorance"])
    far, near = random["ignorance"][:, random.beta <= LOW], random["ignorance"][:, random.beta >= HIGH]
    good = all(above(each, FAR) for each in far.T) and all(below(each, NEAR) for each in near.T)
    bad = any(below(each, FAR) for each in far.T) or any(above(each, NEAR) for each in near.T)
    return Finding(
        f"rank correlation {said(order)}; random labels at least {far.mean(axis=0).min():.2f} up to beta {LOW:g}, "
        f"at most {near.mean(axis=0).max():.4f} from {HIGH:g} on",
        "ignorance: 0",
        decide(bool((order < -MONOTONE).all()) and good, bad),
        {},
    )


def e1(found: Measured) -> Finding:
    """Networks of less information tell less of a nuisance: it is decoded worse from their last hidden layer.

    With noise, as the theory has weights.  Rank correlation with KL over networks whose accuracy on training images is
    at least COMPARABLE on average.  Holds if it is above INVARIANT for both nuisances and there are FEWEST networks;
    fails if one is below.
    """
    plain = "; ".join(f"{kind}, mean weights {said(_rank(found, kind, 'nuisance_decoded'))}" for kind in NUISANCES)
    return _invariant(found, "nuisance_decoded_with_noise", "untrained", plain)


def e3(found: Measured) -> Finding:
    """... and what they predict depends less on it: minimal is invariant.

    Mean d_B between predictions of an image with one nuisance and with another, at a mean entropy of 0.5 nats.  As E1.
    """
    plain = "; ".join(f"{kind}, as they are {said(_rank(found, kind, 'nuisance_distance'))}" for kind in NUISANCES)
    return _invariant(found, "nuisance_distance_at_entropy", "untrained", plain)


def e12(found: Measured) -> Finding:
    """... and they respond less to their inputs: simple weights, simple functions.

    Fisher information of predictions about pixels, of mean weights.  As E1.
    """
    return _invariant(found, "input_information", "untrained", "")


def _comparable(found: Measured, kind: str) -> np.ndarray:
    return found.nuisances[kind]["training_accuracy"].mean(axis=0) >= COMPARABLE


def _rank(found: Measured, kind: str, key: str) -> np.ndarray:
    fine, x = _comparable(found, kind), found.nuisances[kind]
    return ranks(x["kl"][:, fine], x[key][:, fine])


def _invariant(found: Measured, key: str, null: str, beside: str) -> Finding:
    """Return what is found of a quantity that is to fall with the information in the weights."""
    rows, nulls, values, enough = [], [], [], True
    for kind in NUISANCES:
        x, fine = found.nuisances[kind][key][:, _comparable(found, kind)], _comparable(found, kind)
        enough = enough and bool(np.isfinite(x).all(axis=0).sum() >= FEWEST)
        values.append(_rank(found, kind, key))
        first, last = (said(x[:, k], 3, False) for k in (0, -1)) if fine.any() else ("nan", "nan")
        rows.append(f"{kind}: {said(values[-1])}, from {first} to {last} over {fine.sum()} networks")
        nulls.append(f"{kind} {said(found.untrained[kind][key], 3, False)}")
    good, bad = all(above(x, INVARIANT) for x in values), any(below(x, INVARIANT) for x in values)
    return Finding("; ".join(rows), f"{null}: {', '.join(nulls)}", decide(enough and good, bad), {}, beside)
