"""Landmarks by group: each trajectory, or each configuration, has its share of them, spread over its progress.

Of m landmarks a group of n models gets the share q = min(n, c), with the c at which shares add up to m: the same for
all groups that are large enough.  Whole numbers of them follow from the shares of all so far, Q_g = q_1 + ... + q_g,

    count_g = floor(Q_g + 1/2) - floor(Q_(g-1) + 1/2),      which is q_g rounded down or up,

with the groups in a random order that follows from a seed.  In the order of a table, those with one landmark more would
be every fourth, say: all of one network where every fourth configuration is of that network, and none of the others.

In a group whose models stand from `low` to `high` (progress, or simply their order), landmark j of its count is the
model not yet taken that is nearest to

    low + (high - low) (j + u) / count,  j = 0 ... count - 1,    u = (p_i + 1/2) / G

for the i-th of G groups that have any, with a permutation p of 0 ... G - 1 that follows from a seed.  So all progress
is covered where each group has one landmark, or not even that; and since p is not regular, as configurations in a table
are, those of one network, say, are not all seen at one progress (as they are with the golden ratio, for one in 8).
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from info_geometry.files import InputError


def together(*columns: Sequence | np.ndarray) -> np.ndarray:
    """Return numbers (M,), the same for models that are alike in all columns (M,), such as run and seed."""
    codes = [np.unique(column, return_inverse=True)[1] for column in columns]
    return np.unique(np.stack(codes), axis=1, return_inverse=True)[1].ravel()


def by_group(
    count: int, groups: Sequence | np.ndarray, along: Sequence | np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Return the indices (m,), increasing, of m = `count` landmarks of M models, by the rule above.

    groups (M,): the trajectory or configuration of each model, in any order.  along (M,): where models stand in their
    group, such as progress; by default the number of models of the group before them.  seed: of p, and of the order of
    groups.

    Raises InputError for other lengths, for what is not finite in `along`, and for more landmarks than models.
    """
    groups = np.asarray(groups)
    M = len(groups) if groups.ndim == 1 else -1
    if not 1 <= count <= M:
        raise InputError(f"{count} landmarks of groups {groups.shape}; expected a group for each model, and 1 to M")
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first))[codes]  # groups by their first models
    members = np.split(np.argsort(ranks, kind="stable"), np.cumsum(np.bincount(ranks))[:-1])
    if along is None:
        places = [np.arange(len(each), dtype=float) for each in members]
    else:
        along = np.asarray(along, dtype=np.float64)
        if along.shape != (M,) or not np.isfinite(along).all():
            raise InputError(f"along: expected {M} finite numbers, one a model, not an array {along.shape}")
        places = [along[each] for each in members]
    sizes, shares = np.array([len(each) for each in members]), np.empty(len(members), int)
    order = np.random.default_rng([seed, 1]).permutation(len(members))
    shares[order] = counts(sizes[order].tolist(), count)
    offsets = iter(np.random.default_rng(seed).permutation(np.count_nonzero(shares)) + 0.5)
    found = [
        each[_nearest(x, share, next(offsets) / np.count_nonzero(shares))]
        for each, x, share in zip(members, places, shares)
        if share
    ]
    return np.sort(np.concatenate(found))


def counts(sizes: Sequence[int], count: int) -> list[int]:
    """Return how many of `count` landmarks each group of these sizes gets, by the rule above, in exact arithmetic."""
    level, left, rest = Fraction(0), Fraction(count), len(sizes)
    for n in sorted(sizes):  # groups below the level are taken whole
        level = left / rest
        if n >= level:
            break
        left, rest = left - n, rest - 1
    shares, total, before = [], Fraction(0), 0
    for n in sizes:
        total += min(Fraction(n), level)
        upto = (2 * total + 1) // 2
        shares.append(int(upto - before))
        before = upto
    return shares


def _nearest(x, count, u):
    """Return which of models at places x (n,) are nearest to `count` places from the lowest to the highest."""
    free, found = np.ones(len(x), bool), []
    for target in x.min() + np.ptp(x) * (np.arange(count) + u) / count:
        off = np.where(free, np.abs(x - target), np.inf)
        found.append(int(off.argmin()))
        free[found[-1]] = False
    return np.array(found)
