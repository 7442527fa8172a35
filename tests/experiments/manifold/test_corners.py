"""Where runs from a corner join the usual ones: known curves, and runs whose detour is known."""

import numpy as np
import pytest

from experiments.manifold import corners
from info_geometry import distance, geodesic, trajectory
from info_geometry.files import InputError
from tests.support.synthetic import labels_of, softmax

N, C = 40, 5
LABELS = labels_of(N, C)
GRID = np.linspace(0, 1, 51)


def run(seed, detour=0.0, until=0.5):
    """Return a run that starts `detour` away from the others, along one direction, and is back `until` of the way."""
    rng, away = np.random.default_rng(seed), 2 * np.random.default_rng(77).standard_normal((N, C))
    times = np.linspace(0, 1, 30)[:, None, None]
    logits = 6 * times * np.eye(C)[LABELS] + detour * np.maximum(1 - times / until, 0) * away
    return softmax(logits + 0.05 * rng.standard_normal((30, N, C)))


def groups(detour, until=0.5):
    corner, usual = [run(i, detour, until) for i in range(3)], [run(10 + i) for i in range(3)]
    at = [[geodesic.progress(x, LABELS) for x in runs] for runs in (corner, usual)]
    return corner, at[0], usual, at[1], GRID


def test_runs_from_a_corner_join_where_their_detour_ends():
    joined = corners.join(*groups(0.5))
    end = np.mean([geodesic.progress(run(10 + i), LABELS)[15] for i in range(3)])
    assert end - 0.15 < joined.at < end + 0.05
    earlier = corners.join(*groups(0.5, 0.3))
    assert earlier.at < joined.at - 0.05
    known = joined.grid[~np.isnan(joined.distances)]
    assert joined.shrinks(known[0], known[-1]) > 10
    inside = (joined.grid >= joined.at) & ~np.isnan(joined.distances + joined.width)
    assert (joined.distances[inside] <= corners.TIMES * joined.width[inside]).all()


def test_distances_and_width_are_those_of_a_run_to_a_mean_it_is_no_part_of():
    corner, at, usual, when, _ = groups(0.5)
    joined = corners.join(corner, at, usual, when, GRID)

    def far(x, p, others, times, s):
        models = [trajectory.reindex(each, q, [s])[0] for each, q in zip([x, *others], [p, *times])]
        return distance.bhattacharyya(models[0], np.mean(models[1:], axis=0))

    for k in np.flatnonzero(~np.isnan(joined.distances))[::9]:
        expected = np.mean([far(x, p, usual, when, GRID[k]) for x, p in zip(corner, at)])
        assert joined.distances[k] == pytest.approx(expected, rel=1e-4)
        rest = [[j for j in range(3) if j != i] for i in range(3)]
        expected = np.mean(
            [
                far(usual[i], when[i], [usual[j] for j in others], [when[j] for j in others], GRID[k])
                for i, others in enumerate(rest)
            ]
        )
        assert joined.width[k] == pytest.approx(expected, rel=1e-4)


def test_runs_that_start_as_usual_have_joined_from_the_start():
    """Other seeds: by chance they are (1 + 1/3) / (1 + 1/2) of the width away."""
    joined = corners.join(*groups(0.0))
    known = ~np.isnan(joined.distances + joined.width)
    assert joined.at == GRID[np.flatnonzero(known)[0]]
    assert (joined.distances[known] / joined.width[known]).mean() == pytest.approx(8 / 9, abs=0.1)


def test_too_few_runs_are_refused():
    corner, at, usual, when, _ = groups(0.0)
    with pytest.raises(InputError, match="3 runs from the corner and 1 usual ones"):
        corners.join(corner, at, usual[:1], when[:1], GRID)


@pytest.mark.parametrize(
    "distances, most, expected",
    [
        ([5, 4, 3, 2, 1], [3] * 5, 0.2),
        ([5, 1, 5, 1, 1], [3] * 5, 0.3),  # for good
        ([5, 4, 3, 2, 9], [3] * 5, np.nan),
        ([1, 1, 1, 1, 1], [3] * 5, 0.0),
        ([np.nan, 4, 1, 1, np.nan], [3] * 5, 0.2),
        ([5, 4, 3, 1, 1], [3, 3, 3, np.nan, 3], 0.2),
        ([np.nan] * 5, [3] * 5, np.nan),
    ],
)
def test_joined_is_where_distances_stay_so(distances, most, expected):
    found = corners.joined_at(np.array(distances, float), np.array(most, float), np.linspace(0, 0.4, 5))
    assert found == pytest.approx(expected, nan_ok=True)


def test_shrinking_is_a_quotient_of_known_distances():
    nan = float("nan")
    joined = corners.Joined(np.linspace(0, 1, 5), np.array([nan, 8, 4, 2, nan]), np.ones(5), nan)
    assert joined.shrinks(0.25, 0.75) == 4 and joined.shrinks(0.25, 0.375) == pytest.approx(8 / 6)
    with pytest.raises(InputError, match=r"are compared from 0.25 to 0.75, not from progress 0.2 to 0.5"):
        joined.shrinks(0.2, 0.5)
    with pytest.raises(InputError, match="are compared nowhere"):
        corners.Joined(np.linspace(0, 1, 2), np.full(2, nan), np.ones(2), nan).shrinks(0, 1)
