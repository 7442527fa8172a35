"""Pairs of networks: how far apart they are, and what their ensemble gains.

    NLL(logit mean of P and Q) = (NLL(P) + NLL(Q)) / 2 - d_B(P, Q)

exactly: what an ensemble of two gains in likelihood is their distance in the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.subspaces import kinds, measures
from experiments.subspaces.results import Results, place
from info_geometry import distance

MEANS = {
    "logits": measures.mean_of_logits,
    "probabilities": measures.mean_of_probabilities,
    "roots": measures.mean_of_roots,
}


@dataclass(frozen=True)
class Pair:
    """Two networks: members(results, level, seed) -> ((2, N, C), mean cosine of their features, NaN: not known)."""

    name: str
    members: Callable[[Results, str, int], tuple[np.ndarray, float]]


def _of_file(run: str, first: float | int, second: float | int, by_position: bool = True):
    def members(results, level, seed):
        x = results.open(f"{run.format(level)}_head", seed)
        both = [place(x.t, a) if by_position else a for a in (first, second)]
        cosine = x.attributes["feature_cosines"][both[0]][both[1]]
        return results.P(f"{run.format(level)}_head", seed, both), float(cosine)

    return members


def _snapshots(results, level, seed):
    return kinds.snapshots(results, level, seed)[-2:], float("nan")


PAIRS = {
    pair.name: pair
    for pair in (
        Pair("2 networks", _of_file("point_{}_between", 0, 1)),
        Pair("line, ends", _of_file("line_{}", 0, 1)),
        Pair("line, 0.1 and 0.9", _of_file("line_{}", *kinds.NEAR_ENDS)),
        Pair("layerwise line, ends", _of_file("layerwise_line_{}", 0, 1)),
        Pair("curve, ends", _of_file("curve_{}", 0, 1)),
        Pair("simplex of 3, vertices", _of_file("simplex3_{}", 0, 1, by_position=False)),
        Pair("SWAG, 2 draws", _of_file("point_constant-{}_swag", 0, 1, by_position=False)),
        Pair("last 2 snapshots", _snapshots),
    )
}


def measured(results: Results, level: str) -> dict[str, dict[str, np.ndarray]]:
    """Return {pair: {what: (S,)}} of all pairs at a level of label noise.

    d_B; member: mean NLL of the two; gain by logits, probabilities, roots: by how much the NLL of the ensemble is
    below; accuracy by the same; total_variation, disagreement, one_right, cosine (of features); identity: by how much
    the exact one above is missed.
    """
    return {
        name: _columns([of_pair(*pair.members(results, level, s), results.labels) for s in results.seeds])
        for name, pair in PAIRS.items()
    }


def of_pair(P: np.ndarray, cosine: float, labels: np.ndarray) -> dict[str, float]:
    """Return what is measured of one pair, (2, N, C)."""
    member = float(measures.nll(P, labels).mean())
    apart = distance.bhattacharyya(*P)
    found = {"d_B": apart, "member": member, "cosine": cosine}
    for how, mean in MEANS.items():
        ensemble = mean(P)
        found[f"gain by {how}"] = member - float(measures.nll(ensemble, labels))
        found[f"accuracy by {how}"] = float(measures.accuracy(ensemble, labels))
    return {
        **found,
        "identity": abs(found["gain by logits"] - apart),
        "total_variation": float(measures.total_variation(*P)),
        "disagreement": float(measures.disagreement(*P)),
        "one_right": float(measures.disagreement_one_right(*P, labels)),
    }


def _columns(rows):
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}
