"""The rules of claims P1 to P4: where stitched networks lie in prediction space.  As in `rules`."""

import numpy as np
from scipy.stats import spearmanr

from experiments.symmetries.measured import (
    ALIGNED,
    ANY,
    BAD,
    BEFORE,
    METRICS,
    NOISE,
    WREATH,
    Measured,
    both_ways,
    by_layer,
)
from experiments.symmetries.rules import everywhere
from info_geometry.uncertainty.mantel import mantel
from learning.finding import Finding, above, below, decide, said

P2_FAR, P2_SIDES = 3, 0.1
LEVEL, STRONG = 0.05, -0.6


def like_sender(found: Measured) -> Finding:
    """Stitched late, by any matrix, a network predicts like the sender: what it sees is decided by features.

    Holds if at the last layer d_B to the sender is below that to the receiver, and the difference of both grows from
    the first layer to the last, by 2 SE; fails if either is the other way round.
    """
    x = found.kinds[ANY]
    nearer = both_ways(x.to_receiver - x.to_sender)
    last, grows = nearer[:, -1], nearer[:, -1] - nearer[:, 0]
    value = (
        f"to the sender {by_layer(both_ways(x.to_sender), 3)}, to the receiver {by_layer(both_ways(x.to_receiver), 3)}"
    )
    noise = f"{NOISE}, to the sender {by_layer(found.kinds[NOISE].to_sender, 3)}"
    null = f"sender to receiver {said(both_ways(found.apart), 4, False)}; {noise}"
    return Finding(value, null, decide(above(last) and above(grows), below(last) or below(grows)), {})


def leave_together(found: Measured) -> Finding:
    """Bad stitches leave the manifold of training, as far from the sender as from the receiver.

    Identity, random permutation and rotation, and rank 1.  Holds if at every layer d_B to the nearest model of networks
    while they are trained is above P2_FAR times that of a trained network, and d_B to sender and receiver differ by
    less than P2_SIDES of their mean, by 2 SE; fails if any is the other way round.
    """
    good, bad, rows = [], [], []
    for name in BAD:
        x = found.kinds[name]
        sides = both_ways((x.to_sender - x.to_receiver) / ((x.to_sender + x.to_receiver) / 2))
        near = everywhere(sides, _within, _beyond, P2_SIDES)
        far = everywhere(both_ways(found.nearest[name]) - P2_FAR * found.nearest_own[:, None], above, below)
        good.append(near[0] and far[0])
        bad.append(near[1] or far[1])
        rows.append(
            f"{name}: {by_layer(both_ways(found.nearest[name]), 2)}, sides differ by {by_layer(100 * sides, 0)} %"
        )
    null = f"trained network {said(found.nearest_own, 4, False)}; {ANY} {by_layer(both_ways(found.nearest[ANY]), 3)}"
    return Finding("; ".join(rows), null, decide(all(good), any(bad)), {})


def _within(values, bound):
    return below(values, bound) and above(values, -bound)


def _beyond(values, bound):
    return above(values, bound) or below(values, -bound)


def predicts_barrier(found: Measured) -> Finding:
    """The more alike two networks are by wreath Procrustes, the lower the barrier between them once they are aligned.

    Over pairs of all widths.  Holds if Spearman's correlation of mean similarity and barrier is below STRONG, with p
    below LEVEL; fails if it is above 0.  Beside: within a width, where pairs differ by chance.
    """
    widths = list(found.similar)
    similarity = np.concatenate([found.similar[w][WREATH].mean(axis=1) for w in widths])
    after, before = (
        np.concatenate([found.lines[f"width {w}"][way].barrier for w in widths]) for way in (ALIGNED, BEFORE)
    )
    r, p = spearmanr(similarity, after)
    value = f"Spearman {r:.2f}, p = {p:.2g}, {len(after)} pairs"
    null = f"before alignment {spearmanr(similarity, before)[0]:.2f}"
    ranks = [np.concatenate([x - x.mean() for x in np.split(values, len(widths))]) for values in (similarity, after)]
    beside = f"within widths {spearmanr(*ranks)[0]:.2f}" if len(after) > len(widths) else ""
    return Finding(value, null, decide(r < STRONG and p < LEVEL, r > 0), {}, beside=beside)


def alike_predict_alike(found: Measured) -> Finding:
    """Networks that represent alike predict alike: distances by metrics and by d_B agree over the zoo.

    Mantel test of 1 - similarity, averaged over layers, and d_B, of networks of all widths.  Holds if p is below LEVEL
    for wreath Procrustes and wreath CKA; fails if the correlation is below 0 for either.
    """
    each = {name: mantel(1 - found.zoo[name], found.zoo["d_B"]) for name in METRICS}
    asked = [each[name] for name in METRICS if name.startswith("wreath")]
    value = "; ".join(f"{name}: {each[name]}" for name in METRICS)
    good = all(x.p < LEVEL for x in asked)
    return Finding(value, "0", decide(good, any(x.statistic < 0 for x in asked)), {})
