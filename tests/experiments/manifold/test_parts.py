"""Training and evaluation images of one file."""

import numpy as np
import pytest

from experiments.manifold.parts import part
from info_geometry import distance, predictions
from info_geometry.files import InputError


def stored(folder, parts=None, T=3, N=10, C=4):
    """Return the path of a prediction file, and its probabilities."""
    P = np.random.default_rng(0).dirichlet(np.ones(C), size=(T, N))
    path, labels = folder / "run" / "preds_0.h5", np.arange(N) % C
    more = {} if parts is None else {"parts": parts}
    with predictions.Recorder(path, labels=labels, **more) as recorder:
        for k, p in enumerate(P):
            recorder.append(p, k)
    return path, P, labels


def test_parts_are_the_samples_in_their_order(tmp_path):
    path, P, labels = stored(tmp_path, {"training": 6, "evaluation": 4})
    run = predictions.open_trajectory(path)
    for which, rows in (("training", slice(0, 6)), ("evaluation", slice(6, 10))):
        found = part(run, which)
        np.testing.assert_allclose(found.roots() ** 2, P[:, rows], atol=1e-3)
        np.testing.assert_array_equal(found.labels, labels[rows])
        np.testing.assert_allclose(found.select([2]).roots(1, 3), run.roots()[2:, rows][:, 1:3])
        D = distance.pairwise([found])
        np.testing.assert_allclose(D, distance.pairwise([run.roots()[:, rows].astype(float) ** 2]), atol=1e-6)
    whole = (6 * distance.pairwise([part(run, "training")]) + 4 * distance.pairwise([part(run, "evaluation")])) / 10
    np.testing.assert_allclose(whole, distance.pairwise([run]), atol=1e-6)


@pytest.mark.parametrize("parts", [None, {"training": 6}, {"training": 6, "evaluation": 3}])
def test_a_file_that_does_not_say_them(tmp_path, parts):
    path, *_ = stored(tmp_path, parts)
    with pytest.raises(InputError, match="does not say which samples are of evaluation"):
        part(predictions.open_trajectory(path), "evaluation")
