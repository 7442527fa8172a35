"""InPCA: points of Euclidean and Minkowski space are recovered; files that are no embeddings are refused."""

import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg
from scipy.sparse.linalg import ArpackNoConvergence

from info_geometry import distance, inpca
from info_geometry.embedding import spectrum
from info_geometry.files import ROOT, InputError
from tests.support.synthetic import labels_of, random_models, training

REFERENCE = Path(os.environ.get("REFERENCE_DATA", ROOT.parent / "shared" / "reference"))
PUBLISHED = REFERENCE / "imagenet_inpca.pkl"


def squared(A, B, signature=1.0):
    """Return the squared distances (m, M) of points (m, k) and (M, k) with a signature (k,) of signs."""
    return (signature * (A[:, None] - B[None]) ** 2).sum(axis=2)


@pytest.fixture
def points():
    return np.random.default_rng(0).standard_normal((20, 3)) * [3, 2, 1]


def assert_isometric(A, B):
    """Assert that centred points B are points A moved, turned and mirrored."""
    A = A - A.mean(axis=0)
    turn, _ = scipy.linalg.orthogonal_procrustes(A, B)
    np.testing.assert_allclose(A @ turn, B, atol=1e-10)


def test_euclidean_points_are_recovered(points):
    embedding = inpca.fit(squared(points, points))
    assert_isometric(points, embedding.coordinates)
    assert not embedding.imaginary.any()
    np.testing.assert_allclose(embedding.coordinates.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((embedding.coordinates**2).sum(axis=0), embedding.eigenvalues[:3])
    assert embedding.explained_stress(3) == pytest.approx(1) and embedding.explained_stress(2) < 0.99


def test_minkowski_points_are_recovered():
    """An axis whose squared distances count negative comes out imaginary."""
    rng = np.random.default_rng(1)
    space, time = rng.standard_normal((20, 2)) * [3, 1], 2 * rng.standard_normal((20, 1))
    for part in (space, time):  # uncorrelated, so that the axes of space and time are the eigenvectors
        part -= part.mean(axis=0)
    time -= space @ np.linalg.lstsq(space, time, rcond=None)[0]
    D = squared(space, space) - squared(time, time)
    assert D.min() < 0
    embedding = inpca.fit(D)
    assert embedding.imaginary.sum() == 1
    axes = embedding.imaginary[:3]
    assert_isometric(space, embedding.coordinates[:, ~axes])
    assert_isometric(time, embedding.coordinates[:, axes])


@pytest.mark.parametrize("M", [2, 3, 12])
def test_all_axes_together_give_the_distances(M):
    D = distance.pairwise([random_models(np.random.default_rng(2), M, 3, 4, 0.02)], precision="float64")
    embedding = inpca.fit(D, k=M)
    signs = np.where(embedding.eigenvalues < 0, -1.0, 1.0)
    np.testing.assert_allclose(squared(embedding.coordinates, embedding.coordinates, signs), D, atol=1e-11)
    assert (np.diff(np.abs(embedding.eigenvalues)) <= 0).all()
    assert M < 12 or embedding.imaginary.any()


def test_models_of_the_embedding_are_placed_at_their_own_coordinates():
    D = distance.pairwise([random_models(np.random.default_rng(3), 15, 20, 5)], precision="float64")
    embedding = inpca.fit(D, k=15)
    np.testing.assert_allclose(embedding.transform(D), embedding.coordinates, atol=1e-6)
    embedding = inpca.fit(D, k=3)
    np.testing.assert_allclose(embedding.transform(D), embedding.coordinates, atol=1e-12)
    np.testing.assert_allclose(embedding.transform(D[4]), embedding.coordinates[4:5], atol=1e-12)


def test_new_points_are_placed_where_they_are(points):
    held_out = np.random.default_rng(4).standard_normal((5, 3))
    embedding = inpca.fit(squared(points, points))
    placed = embedding.transform(squared(held_out, points))
    everyone = np.concatenate([points, held_out])
    np.testing.assert_allclose(squared(placed, embedding.coordinates), squared(held_out, points), atol=1e-10)
    placed = np.concatenate([embedding.coordinates, placed])
    np.testing.assert_allclose(squared(placed, placed), squared(everyone, everyone), atol=1e-10)


@pytest.mark.parametrize("D_new", [np.ones((2, 19)), np.ones((2, 2, 20)), np.full((1, 20), np.nan), 1.0])
def test_distances_of_new_points_are_checked(points, D_new):
    with pytest.raises(InputError, match="expected finite distances to 20 models"):
        inpca.fit(squared(points, points)).transform(D_new)


def test_explained_stress():
    """1 - sqrt(1 - sum of the first lambda^2 / sum of all): the axes leave the rest of the norm of W unexplained."""
    D = distance.pairwise([random_models(np.random.default_rng(5), 12, 10, 5)], precision="float64")
    embedding = inpca.fit(D, k=12)
    stress = embedding.explained_stress()
    assert stress.shape == (12,) and (np.diff(stress) >= 0).all() and stress[-1] == 1
    assert embedding.explained_stress(0) == 0 and embedding.explained_stress(99) == 1
    L = np.eye(12) - 1 / 12
    W = -0.5 * L @ D @ L
    for k in (1, 3, 7):
        signs, X = np.sign(embedding.eigenvalues[:k]), embedding.coordinates[:, :k]
        unexplained = np.linalg.norm(W - X * signs @ X.T) / np.linalg.norm(W)
        assert embedding.explained_stress(k) == stress[k - 1] == pytest.approx(1 - unexplained, abs=1e-12)


def test_signs_follow_the_rule_and_the_order_of_models_does_not_matter():
    D = distance.pairwise([random_models(np.random.default_rng(6), 15, 20, 5)], precision="float64")
    order = np.random.default_rng(7).permutation(15)
    embedding, permuted = inpca.fit(D), inpca.fit(D[np.ix_(order, order)])
    for column in embedding.coordinates.T:
        assert column[np.abs(column).argmax()] > 0
    np.testing.assert_allclose(permuted.coordinates, embedding.coordinates[order], atol=1e-10)


def test_models_that_coincide():
    embedding = inpca.fit(np.zeros((4, 4)))
    np.testing.assert_array_equal(embedding.coordinates, 0)
    np.testing.assert_array_equal(embedding.explained_stress(), 1)
    assert not embedding.imaginary.any() and embedding.explained_stress(1) == 1
    np.testing.assert_array_equal(embedding.transform(np.zeros((2, 4))), 0)


def test_two_models():
    embedding = inpca.fit([[0, 4], [4, 0]])
    assert embedding.coordinates.shape == (2, 2)
    np.testing.assert_allclose(np.abs(embedding.coordinates[:, 0]), 1)
    np.testing.assert_allclose(embedding.eigenvalues, [2, 0], atol=1e-15)
    assert embedding.explained_stress(1) == 1


@pytest.mark.parametrize(
    "D, message",
    [
        (np.ones((3, 4)), r"expected a square matrix of distances, not an array \(3, 4\)"),
        (np.ones(3), "expected a square matrix"),
        (np.zeros((1, 1)), "needs at least 2 models; there is 1"),
        (np.zeros((0, 0)), "needs at least 2 models"),
        ([[0, 1, 2], [1, 0, np.nan], [2, np.nan, 0]], "the distance between models 1 and 2 is nan"),
        ([[0, np.inf], [np.inf, 0]], "the distance between models 0 and 1 is inf"),
        ([[0, 1], [2, 0]], "is not symmetric"),
    ],
)
def test_bad_matrices_are_refused(D, message):
    with pytest.raises(InputError, match=message):
        inpca.fit(D)


# --- the largest eigenvalues only -----------------------------------------------------------------------------------


def embeddings(D, monkeypatch, k=3):
    """Return the embedding by the largest eigenvalues and by all, however few models there are."""
    found = []
    for whole in (0, 10**9):
        monkeypatch.setattr(spectrum, "WHOLE", whole)
        found.append(inpca.fit(D, k))
    assert found[0].total_squares is not None and found[1].total_squares is None
    return found


def curved(M, seed=0):
    """Return distances of M models along a few trajectories."""
    direction = 2 * np.random.default_rng(seed).standard_normal((30, 5))
    parts = [
        training(np.random.default_rng([seed, i]), labels_of(30, 5), 5, T=M // 6 + 1, direction=i % 3 * direction)
        for i in range(6)
    ]
    return distance.pairwise([np.concatenate(parts)[:M]], precision="float64")


def axes(embedding, sign, low, high):
    """Return the projector on the axes of one sign with low <= |lambda| <= high."""
    X, values = embedding.coordinates, embedding.eigenvalues[: embedding.coordinates.shape[1]]
    X = X[:, (sign * values > 0) & (abs(values) >= low) & (abs(values) <= high)]
    U = X / np.linalg.norm(X, axis=0)
    return U @ U.T


@pytest.mark.parametrize(
    "D",
    [
        curved(320),
        -curved(320),
        curved(300, 1) - 0.4 * curved(300, 2),
        np.ones((300, 300)) - np.eye(300),
    ],
    ids=["trajectories", "negative", "mixed", "equidistant"],
)
def test_the_largest_eigenvalues_are_those_of_the_full_decomposition(D, monkeypatch):
    few, full = embeddings(D, monkeypatch)
    assert len(few.eigenvalues) == 30 and len(full.eigenvalues) == len(D)
    largest = abs(full.eigenvalues[0])
    np.testing.assert_allclose(few.eigenvalues, full.eigenvalues[:30], atol=1e-12 * largest)
    assert few.total_squares == pytest.approx((full.eigenvalues**2).sum())
    np.testing.assert_allclose(few.explained_stress(), full.explained_stress()[:30], atol=1e-7)
    np.testing.assert_array_equal(few.imaginary, full.imaginary[:30])
    gaps = abs(np.diff(abs(full.eigenvalues[:4])))
    if gaps.min() > 1e-6 * largest:  # else axes may be turned into each other
        np.testing.assert_allclose(few.coordinates, full.coordinates, atol=1e-8 * np.sqrt(largest))
        np.testing.assert_allclose(few.transform(D[:5]), few.coordinates[:5], atol=1e-8 * np.sqrt(largest))
    monkeypatch.setattr(spectrum, "WHOLE", 0)
    np.testing.assert_array_equal(inpca.fit(D).coordinates, few.coordinates)


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


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path, points):
    index = {"run": np.repeat(["toy_all", "toy_even"], 10), "seed": np.arange(20), "t": np.linspace(0, 1, 20)}
    embedding = inpca.fit(squared(points, points), index=index)
    inpca.save(tmp_path / "embedding" / "toy.npz", embedding)
    return tmp_path / "embedding" / "toy.npz", embedding


def test_save_and_load(saved):
    path, embedding = saved
    loaded = inpca.load(path)
    for name in ("coordinates", "eigenvalues", "imaginary", "column_means"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(embedding, name))
    assert loaded.total_squares is None and loaded.landmarks is None
    assert list(loaded.index) == ["run", "seed", "t"] and loaded.index["run"][15] == "toy_even"
    assert [p.name for p in path.parent.iterdir()] == ["toy.npz"]


def test_the_total_of_squares_is_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(spectrum, "WHOLE", 0)
    embedding = inpca.fit(curved(320))
    inpca.save(tmp_path / "a.npz", embedding)
    loaded = inpca.load(tmp_path / "a.npz")
    assert loaded.total_squares == embedding.total_squares and len(loaded.eigenvalues) == 30
    np.testing.assert_array_equal(loaded.explained_stress(), embedding.explained_stress())


def test_saving_twice_gives_the_same_bytes(saved, tmp_path):
    path, embedding = saved
    inpca.save(tmp_path / "again.npz", embedding)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def not_an_embedding(path, load=inpca.load):
    with pytest.raises(InputError, match=r"is not an? (published )?embedding") as raised:
        load(path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 99])
def test_truncated_embedding(saved, percent):
    path, _ = saved
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * percent // 100])
    not_an_embedding(path)


def test_bit_rot_in_an_embedding(saved):
    path, embedding = saved
    content = bytearray(path.read_bytes())
    content[content.index(embedding.eigenvalues.tobytes()) + 20] ^= 4
    path.write_bytes(content)
    not_an_embedding(path)


def test_what_is_no_embedding(tmp_path, points):
    with pytest.raises(InputError, match="no such file"):
        inpca.load(tmp_path / "nowhere.npz")
    not_an_embedding(tmp_path)
    (tmp_path / "text.npz").write_text("text")
    not_an_embedding(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", points=points)
    not_an_embedding(tmp_path / "other.npz")
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, points)
    not_an_embedding(tmp_path / "array.npz")


class Evil:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_pickles_in_an_embedding_are_not_run(saved, tmp_path):
    path, embedding = saved
    evil = np.array([Evil(tmp_path / "marker")], dtype=object)
    np.savez(path, coordinates=evil, eigenvalues=embedding.eigenvalues, imaginary=embedding.imaginary)
    not_an_embedding(path)
    path.write_bytes(pickle.dumps(evil))
    not_an_embedding(path)
    assert not (tmp_path / "marker").exists()


def publish(path, **changes):
    rng = np.random.default_rng(0)
    content = {
        "eigen_values": np.array([4.0, -2.0, 1.0, 0.5]),
        "imaginary": np.array([False, True, False, False]),
        "inpca_embedding": [rng.standard_normal((2, 3, 3)), rng.standard_normal((1, 4, 3))],
        **changes,
    }
    path.write_bytes(pickle.dumps(content))
    return content


def test_layout_of_published_embeddings(tmp_path):
    content = publish(tmp_path / "a.pkl")
    embedding = inpca.load_published(tmp_path / "a.pkl", ["all"])
    assert embedding.coordinates.shape == (10, 3)
    np.testing.assert_array_equal(embedding.coordinates[3:6], content["inpca_embedding"][0][1])
    assert embedding.index["run"].tolist() == ["all"] * 6 + ["task_1"] * 4
    assert embedding.index["seed"].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0]
    assert embedding.index["checkpoint"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 3]
    assert embedding.explained_stress(1) == pytest.approx(1 - np.sqrt(5.25 / 21.25))
    with pytest.raises(InputError, match="new models cannot be placed"):
        embedding.transform(np.zeros((1, 10)))
    inpca.save(tmp_path / "a.npz", embedding)
    assert inpca.load(tmp_path / "a.npz").column_means is None


def test_the_published_embedding():
    if not PUBLISHED.exists():
        pytest.skip(f"reference data not found: {PUBLISHED} (set REFERENCE_DATA)")
    embedding = inpca.load_published(PUBLISHED, ("all", "3rd", "instr", "vert"))
    assert [round(s, 4) for s in embedding.explained_stress()[:5]] == [0.4828, 0.6431, 0.7119, 0.7851, 0.7987]
    assert embedding.coordinates.shape == (1220, 3) and embedding.index["run"][305] == "3rd"
    # coordinates are sqrt|lambda| times unit eigenvectors, and imaginary is the sign of lambda
    np.testing.assert_allclose((embedding.coordinates**2).sum(axis=0), np.abs(embedding.eigenvalues[:3]), rtol=1e-6)
    np.testing.assert_array_equal(embedding.imaginary, embedding.eigenvalues < 0)


def test_pickles_that_are_no_arrays_are_refused_before_they_run(tmp_path):
    path = tmp_path / "a.pkl"
    for evil in (Evil(tmp_path / "marker"), np.array([Evil(tmp_path / "marker")], dtype=object)):
        publish(path, inpca_embedding=[evil])
        not_an_embedding(path, inpca.load_published)
        path.write_bytes(pickle.dumps(evil))
        with pytest.raises(InputError, match=r"it asks for \w+\.mkdir; only numpy arrays are admitted"):
            inpca.load_published(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy", "core.multiarray._reconstruct"),
        ("numpy", "ndarray.tofile"),
        ("numpy.testing._private.utils", "runstring"),
        ("functools", "partial"),
    ],
)
def test_other_names_are_refused(tmp_path, module, name):
    names = b"".join(b"\x8c" + bytes([len(x)]) + x.encode() for x in (module, name))
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04" + names + b"\x93.")  # push both, STACK_GLOBAL
    with pytest.raises(InputError, match=f"it asks for {module}.{name}; only numpy arrays are admitted"):
        inpca.load_published(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "changes",
    [
        {"eigen_values": [1.0, 2.0]},
        {"eigen_values": "text"},
        {"imaginary": np.array(["a"])},
        {"inpca_embedding": 3},
        {"inpca_embedding": [np.ones(3)]},
        {"inpca_embedding": [np.ones((2, 3, 3)), np.ones((2, 3, 2))]},
        {"eigen_values": np.array([None])},
    ],
)
def test_other_content_is_refused(tmp_path, changes):
    publish(tmp_path / "a.pkl", **changes)
    not_an_embedding(tmp_path / "a.pkl", inpca.load_published)


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 99])
def test_truncated_published_embedding(tmp_path, percent):
    path = tmp_path / "a.pkl"
    publish(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * percent // 100])
    not_an_embedding(path, inpca.load_published)
    with pytest.raises(InputError, match="no such file"):
        inpca.load_published(tmp_path / "nowhere.pkl")


def test_axes_that_are_only_rounding_are_zero():
    points = np.random.default_rng(4).normal(size=(9, 2))
    D = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    coordinates = inpca.fit(D, k=5).coordinates
    assert (coordinates[:, 2:] == 0).all() and np.ptp(coordinates[:, 1]) > 0.1
