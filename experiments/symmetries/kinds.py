"""The stitch of a configuration: which kind is it, how does it begin, and what is it fitted to?"""

from collections.abc import Callable

import numpy as np
import torch

from experiments.symmetries import groups, stitches
from experiments.symmetries.config import FITTED, RANDOM, StitchConfig
from info_geometry.files import InputError

SQUARE = ("g_relu", "gumbel_sinkhorn", *RANDOM, *FITTED)
Features = Callable[[], tuple[np.ndarray, np.ndarray]]  # of the sender and of the receiver (N, C, ...), same images


def build(config: StitchConfig, before: int, after: int, seed: int, features: Features) -> stitches.Stitch:
    """Return the stitch of a configuration between these numbers of channels, as it is before it learns.

    seed: of what is random in it.  features(): what `matched`, `procrustes` and `start: matched` are fitted to.
    Raises InputError where a square matrix is wanted and the numbers differ.
    """
    kind = config.kind
    if kind in SQUARE and before != after:
        raise InputError(
            f"a stitch of this kind is between as many channels, not {before} and {after}; take networks of one width, "
            "or one of the kinds full, low_rank, lasso"
        )
    rng = np.random.default_rng(seed)
    drawn = {
        "identity": lambda: np.eye(before),
        "random_permutation": lambda: np.eye(before)[rng.permutation(before)],
        "random_g_relu": lambda: groups.random_element("relu", before, rng, config.spread),
        "random_rotation": lambda: groups.random_rotation(before, rng),
    }
    if kind in drawn:
        return stitches.Fixed(torch.from_numpy(drawn[kind]()))
    if kind in FITTED:
        return stitches.Fixed({"matched": stitches.matched, "procrustes": stitches.rotation}[kind](*features()))
    if kind == "g_relu":
        start, scales = None, None
        if config.start == "matched":
            found = stitches.matched(*features())
            start, scales = found.argmax(dim=0), found.sum(dim=0)
        return stitches.Monomial(before, seed, config.alpha, start, scales, centred=config.penalty == "centred")
    if kind == "gumbel_sinkhorn":
        return stitches.GumbelSinkhorn(before, seed, config.tau, config.final_tau)
    if kind == "low_rank":
        return stitches.LowRank(before, after, config.rank, seed)
    if kind == "lasso":
        return stitches.Lasso(before, after, config.strength, seed)
    return stitches.Full(before, after, seed)
