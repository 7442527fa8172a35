"""The rules of the claims on pictures of all models.  See `rules`."""

import numpy as np

from experiments.manifold.measured import ALL, PERMUTED, TOGETHER, WITHIN, Measured
from experiments.manifold.parts import EVALUATION, PARTS, TRAINING
from learning.finding import Finding, above, below, decide, said

THREE, TEN = 0.75, 0.93  # explained stress of as many axes: bounds of a pilot, not of a theory
MORE = 0.3  # than a null of permuted samples
LITTLE = 0.05  # a difference of explained stress
ALIKE = 0.95  # rank correlation of distances
TANGENTS = 0.8  # of all distances, explained by the picture of four points


def stress(found: Measured, what: str, axes: int = 3) -> np.ndarray:
    """Return the explained stress (S,) of so many axes, or of all that there are."""
    return np.array([picture.stress[what][min(axes, len(picture.stress[what])) - 1] for picture in found.pictures])


def l1(found: Measured) -> Finding:
    """Few axes explain the pictures of all networks.

    Holds if the explained stress of 3 axes is above THREE and that of 10 above TEN, of training and of evaluation
    predictions, and that of 3 is above that of permuted samples of each run, by MORE; fails if one is below.
    """
    three, ten = ({which: stress(found, which, k) for which in PARTS} for k in (3, 10))
    gap = stress(found, TRAINING) - stress(found, PERMUTED)
    asked = [*((x, THREE) for x in three.values()), *((x, TEN) for x in ten.values()), (gap, MORE)]

    def told(what):
        values = (said([getattr(x, what)[which] for x in found.pictures], 1, False) for which in PARTS)
        return ", ".join(values)

    return Finding(
        "; ".join(f"{which}: 3 axes {said(three[which], 3, False)}, 10 axes {said(ten[which], 3, False)}"
                  for which in PARTS),
        f"samples permuted in each run: 3 axes {said(stress(found, PERMUTED), 3, False)}",
        decide(all(above(*x) for x in asked), any(below(*x) for x in asked)),
        {},
        f"participation {told('participation')}, axes for 95 % {told('axes')} (training, evaluation); the bounds are "
        "those of a pilot",
    )  # fmt: skip


def l1_within(found: Measured) -> Finding:
    """... and not only because all go from ignorance to truth.

    3 axes of training predictions, less those of samples permuted within true classes.  Holds if it is above LITTLE;
    fails if it is below.
    """
    null = stress(found, WITHIN)
    gap = stress(found, TRAINING) - null
    return Finding(
        f"3 axes {said(gap, 3)}",
        f"permuted within classes: {said(null, 3, False)}",
        decide(above(gap, LITTLE), below(gap, LITTLE)),
        {},
    )


def l2(found: Measured) -> Finding:
    """Training and evaluation images give one picture.

    Spearman's correlation of the distances of both, and the difference of the explained stress of 3 axes.  Holds if the
    first is above ALIKE and the second within LITTLE; fails if one is on the other side.
    """
    rho = np.array([x.correlation for x in found.pictures])
    gap = stress(found, TRAINING) - stress(found, EVALUATION)
    exchanged = np.array([x.exchanged.mean() for x in found.pictures])
    reached = max((1 + (x.exchanged >= x.correlation).sum()) / (1 + len(x.exchanged)) for x in found.pictures)
    m2 = {pair: said([x.m2[pair] for x in found.pictures], 3, False) for pair in found.pictures[0].m2}
    null = said([x.m2_exchanged.mean() for x in found.pictures], 2, False)
    return Finding(
        f"rho {said(rho, 3, False)}, stress {said(gap, 3)}",
        f"whole runs exchanged: rho {said(exchanged, 2, False)}, p = {reached:.2f}",
        decide(
            above(rho, ALIKE) and below(gap, LITTLE) and above(gap, -LITTLE),
            below(rho, ALIKE) or above(gap, LITTLE) or below(gap, -LITTLE),
        ),
        {},
        f"m2 of Procrustes {m2[f'{TRAINING} {EVALUATION}']}, runs exchanged {null}; of the picture of both as one with "
        f"each {m2[f'{TRAINING} {TOGETHER}']}, {m2[f'{EVALUATION} {TOGETHER}']}",
    )


def l11(found: Measured) -> Finding:
    """Ignorance, truth and two means on the way span the picture.

    The share of distances (L1) that the three axes of these four points explain, without models that are surely wrong
    (`pictures.tangent`).  Holds if it is above TANGENTS, and that of the three axes of all models is less than LITTLE
    larger; fails if it is below, or that is more.
    """
    four, full = (np.array([getattr(x, what)[ALL][2] for x in found.pictures]) for what in ("four", "full"))
    gap = full - four
    networks = [name for name in found.pictures[0].four if name != ALL]
    alone = {name: [x.four[name][2] for x in found.pictures if name in x.four] for name in networks}
    told = ", ".join(f"{name} {said(x, 2, False)}" for name, x in alone.items() if np.isfinite(x).all())
    return Finding(
        f"{said(four, 3, False)}",
        f"three axes of all models: {said(full, 3, False)}",
        decide(above(four, TANGENTS) and below(gap, LITTLE), below(four, TANGENTS) or above(gap, LITTLE)),
        {},
        "; ".join(filter(None, (f"of single networks: {told}" if told else "", _turn(found), _wild(found)))),
    )


def _turn(found):
    cosines = [x.turns[ALL] for x in found.pictures]
    return f"cosine of the first and the last direction {said(cosines, 2, False)}" if np.isfinite(cosines).all() else ""


def _wild(found):
    wild = sum(x.wild for x in found.pictures)
    models = sum(len(x.index["checkpoint"]) for x in found.pictures)
    whole = said([x.four_whole[2] for x in found.pictures], 2, False)
    return f"{wild} of {models} models are left out, of a cross entropy of 4 nats or more; with these {whole}"
