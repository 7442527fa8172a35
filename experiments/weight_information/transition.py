"""Where a network stops to memorise: the beta at which its accuracy on training images falls."""

from collections.abc import Sequence

import numpy as np

from info_geometry.files import InputError


def beta_50(betas: Sequence[float], accuracies: Sequence[float], chance: float) -> float:
    """Return the beta at which the accuracy on training images crosses (1 + chance) / 2 downwards.

    betas, accuracies (K,): of runs, in any order.  chance: the accuracy of one who knows nothing, 1 / classes.
    Between two runs the accuracy is taken as linear in log beta.  Where it crosses several times the first crossing
    from small beta counts.  Raises InputError where it does not cross, or for numbers that are none of these.
    """
    betas, accuracies = (np.asarray(x, dtype=float) for x in (betas, accuracies))
    if betas.ndim != 1 or betas.shape != accuracies.shape:
        raise InputError(f"betas {betas.shape} and accuracies {accuracies.shape}: expected two lists of one length")
    if not ((betas > 0) & np.isfinite(betas)).all() or len(set(betas.tolist())) < len(betas):
        raise InputError(f"betas are {betas.tolist()}, expected different positive numbers")
    if not 0 <= chance < 1 or not ((accuracies >= 0) & (accuracies <= 1)).all():
        raise InputError(f"accuracies are {accuracies.tolist()}, and {chance} by chance; expected numbers from 0 to 1")
    order = np.argsort(betas)
    logs, accuracies, middle = np.log(betas[order]), accuracies[order], (1 + chance) / 2
    down = np.flatnonzero((accuracies[:-1] >= middle) & (accuracies[1:] < middle))
    if not len(down):
        where = "not below" if len(accuracies) and accuracies.min() >= middle else "not above"
        raise InputError(
            f"the accuracy is {where} {middle:g} and does not cross it between beta {betas.min(initial=np.inf):g} and "
            f"{betas.max(initial=0):g}; train with a {'larger' if where == 'not below' else 'smaller'} beta"
        )
    i = down[0]
    part = (accuracies[i] - middle) / (accuracies[i] - accuracies[i + 1])
    return float(np.exp(logs[i] + part * (logs[i + 1] - logs[i])))
