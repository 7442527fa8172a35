"""The largest eigenvalues alone are those of the full decomposition, in a fixed order, with fixed signs."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg
from scipy.sparse.linalg import ArpackNoConvergence

from info_geometry import inpca
from info_geometry.embedding import spectrum
from info_geometry.files import InputError
from tests.support.geometry import curved, squared


def embeddings(D, monkeypatch, k=3):
    """Return the embedding by the largest eigenvalues and by all, however few models there are."""
    found = []
    for whole in (0, 10**9):
        monkeypatch.setattr(spectrum, "WHOLE", whole)
        found.append(inpca.fit(D, k))
    assert found[0].total_squares is not None and found[1].total_squares is None
    return found


def axes(embedding, sign, low, high):
    """Return the projector on the axes of one sign with low <= |lambda| <= high."""
    X, values = embedding.coordinates, embedding.eigenvalues[: embedding.coordinates.shape[1]]
    X = X[:, (sign * values > 0) & (abs(values) >= low) & (abs(values) <= high)]
    U = X / np.linalg.norm(X, axis=0)
    return U @ U.T


@pytest.mark.parametrize(
    "D",
    [curved(320), -curved(320), curved(300, 1) - 0.4 * curved(300, 2)],
    ids=["trajectories", "negative", "mixed"],
)
def test_the_largest_eigenvalues_are_those_of_the_full_decomposition(D, monkeypatch):
    few, full = embeddings(D, monkeypatch)
    assert len(few.eigenvalues) == 30 and len(full.eigenvalues) == len(D)
    largest = abs(full.eigenvalues[0])
    np.testing.assert_allclose(few.eigenvalues, full.eigenvalues[:30], atol=1e-12 * largest)
    assert few.total_squares == pytest.approx((full.eigenvalues**2).sum())
    np.testing.assert_allclose(few.explained_stress(), full.explained_stress()[:30], atol=1e-7)
    np.testing.assert_array_equal(few.imaginary, full.imaginary[:30])
    np.testing.assert_allclose(few.coordinates, full.coordinates, atol=1e-8 * np.sqrt(largest))
    np.testing.assert_allclose(few.transform(D[:5]), few.coordinates[:5], atol=1e-8 * np.sqrt(largest))
    monkeypatch.setattr(spectrum, "WHOLE", 0)
    again = inpca.fit(D)  # products depend on how memory is aligned, in the last bit
    np.testing.assert_allclose(again.eigenvalues, few.eigenvalues, atol=1e-13 * largest)
    np.testing.assert_allclose(again.coordinates, few.coordinates, atol=1e-12 * np.sqrt(largest))


def test_models_of_which_all_pairs_are_equally_far(monkeypatch):
    """All eigenvalues but one are 1/2.  Lanczos starts anew at each step, and may give up."""
    monkeypatch.setattr(spectrum, "WHOLE", 0)
    for _ in range(20):
        embedding = inpca.fit(np.ones((300, 300)) - np.eye(300))
        np.testing.assert_allclose(embedding.eigenvalues[:30], 0.5, atol=1e-12)
        assert embedding.explained_stress(30) == pytest.approx(1 - np.sqrt(269 / 299))
        assert not embedding.imaginary[:30].any()
        assert spectrum.SEED == {} or embedding.total_squares is not None


def with_spectrum(values, M=300, seed=0):
    """Return a matrix D whose W has these eigenvalues and otherwise zeros; its diagonal is zero."""
    X = np.random.default_rng(seed).standard_normal((M, len(values)))
    X = np.linalg.qr(X - X.mean(axis=0))[0] * np.sqrt(np.abs(values))
    return squared(X, X, np.sign(values))


@pytest.mark.parametrize(
    "values",
    [
        [5, 5, 5, 2],
        [5, -5, 2],
        [4, 4, -4, -4, 1, -1],
        [-3, -3, -3, 1],
        [3, 2, 1],
        [-1],
        [7] * 12 + [-7] * 12,
    ],
    ids=str,
)
def test_degenerate_and_rank_deficient_spectra(values, monkeypatch):
    """Axes of one |lambda| are compared as a subspace of their sign; of equals, the positive ones come first."""
    k, D = len(values), with_spectrum(values)
    ordered = sorted(values, key=lambda value: (-abs(value), value < 0))
    for embedding in embeddings(D, monkeypatch, k):
        np.testing.assert_allclose(embedding.eigenvalues[:k], ordered, atol=1e-11)
        np.testing.assert_allclose(embedding.eigenvalues[k:], 0, atol=1e-11)
        assert embedding.imaginary[:k].tolist() == [value < 0 for value in ordered]
        assert embedding.explained_stress(k) == pytest.approx(1, abs=1e-6)
        signs = np.where(embedding.imaginary[:k], -1.0, 1.0)
        np.testing.assert_allclose(squared(embedding.coordinates, embedding.coordinates, signs), D, atol=1e-10)
    few, full = embeddings(D, monkeypatch, k)
    for size in {abs(value) for value in values}:
        for sign in (1, -1):
            np.testing.assert_allclose(
                axes(few, sign, size - 1e-6, size + 1e-6), axes(full, sign, size - 1e-6, size + 1e-6), atol=1e-10
            )


def test_many_models_that_coincide(monkeypatch):
    for embedding in embeddings(np.zeros((300, 300)), monkeypatch):
        assert (embedding.coordinates == 0).all() and (embedding.eigenvalues == 0).all()
        assert (embedding.explained_stress() == 1).all() and not embedding.imaginary.any()


def test_no_second_matrix_is_held(monkeypatch):
    D = squared(*[np.random.default_rng(0).standard_normal((1500, 4))] * 2)
    tracemalloc.start()
    inpca.fit(D)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * D.nbytes  # blocks of 256 rows, which are a sixth of these


@pytest.mark.parametrize("fault", ["no convergence", "missed"])
def test_what_is_in_doubt_is_computed_in_full(fault, monkeypatch, caplog):
    D, calls = curved(320), []
    monkeypatch.setattr(spectrum, "WHOLE", 0)

    def faulty(operator, count, **options):
        calls.append(count)
        if fault == "no convergence":
            raise ArpackNoConvergence("No convergence", np.empty(0), np.empty((0, 0)))
        values, vectors = scipy.sparse.linalg.eigsh(operator, count + 1, **options)
        order = np.argsort(abs(values))
        kept = order[:-1] if count > 1 else order[-1:]  # all but the largest
        return values[kept], vectors[:, kept]

    monkeypatch.setattr(spectrum, "eigsh", faulty)
    with caplog.at_level("INFO"):
        embedding = inpca.fit(D)
    assert calls and len(embedding.eigenvalues) == 320 and "computing the whole spectrum" in caplog.text
    monkeypatch.setattr(spectrum, "WHOLE", 10**9)
    np.testing.assert_array_equal(embedding.coordinates, inpca.fit(D).coordinates)


def test_more_axes_than_are_known(monkeypatch):
    few, full = embeddings(curved(320), monkeypatch, k=3)
    assert few.explained_stress(30) == pytest.approx(full.explained_stress(30)) and full.explained_stress(999) == 1
    with pytest.raises(InputError, match=r"of 31 axes is not known, only that of up to 30; fit with k=31"):
        few.explained_stress(31)
    assert len(inpca.fit(curved(320), k=200).eigenvalues) == 320  # Lanczos does not pay for most of the axes


def test_the_sign_rule_takes_the_first_of_equal_entries():
    vectors = np.array([[-1.0, 0.2], [1 + 1e-9, -3.0], [0.3, 3.0]])
    np.testing.assert_array_equal(spectrum.signs(vectors), [-1, -1])
