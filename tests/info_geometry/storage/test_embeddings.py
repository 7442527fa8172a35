"""Embeddings as files: what is written is read; files that are no embeddings are refused before they run."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from info_geometry import inpca
from info_geometry.embedding import spectrum
from info_geometry.files import ROOT, InputError
from tests.support.geometry import curved, squared

REFERENCE = Path(os.environ.get("REFERENCE_DATA", ROOT.parent / "shared" / "reference"))
PUBLISHED = REFERENCE / "imagenet_inpca.pkl"


@pytest.fixture
def points():
    return np.random.default_rng(0).standard_normal((20, 3)) * [3, 2, 1]


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
    assert inpca.load_published(tmp_path / "a.pkl").index["run"].tolist() == ["task_0"] * 6 + ["task_1"] * 4
    embedding = inpca.load_published(tmp_path / "a.pkl", ["all", "odd"])
    assert embedding.coordinates.shape == (10, 3)
    np.testing.assert_array_equal(embedding.coordinates[3:6], content["inpca_embedding"][0][1])
    assert embedding.index["run"].tolist() == ["all"] * 6 + ["odd"] * 4
    assert embedding.index["seed"].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0]
    assert embedding.index["checkpoint"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 3]
    assert embedding.explained_stress(1) == pytest.approx(1 - np.sqrt(5.25 / 21.25))
    for names, message in (
        (["all"], "holds 2 tasks, but 1 names were given"),
        (["a", "b", "c"], "but 3 names"),
        (["a", "a"], "given twice"),
    ):
        with pytest.raises(InputError, match=message):
            inpca.load_published(tmp_path / "a.pkl", names)
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


def test_the_papers_own_figure():
    path = REFERENCE / "fig_1a.pkl"
    if not path.exists():
        pytest.skip(f"reference data not found: {path} (set REFERENCE_DATA)")
    embedding = inpca.load_published(path)
    assert [round(s, 3) for s in embedding.explained_stress()[:5]] == [0.665, 0.752, 0.800, 0.813, 0.822]
    assert embedding.coordinates.shape == (6 * 5 * 61, 5) and not embedding.imaginary[:8].any()
    assert list(dict.fromkeys(embedding.index["run"].tolist())) == [
        "All ImageNet classes",
        "Dogs",
        "Vertebrates",
        "Instrumentality",
        "Subset of 333 classes",
        "Random labels",
    ]
    x = embedding.coordinates.reshape(6, 5, 61, 5)[0]
    assert ((x[:, -1] - x[:, 0]) ** 2).sum(axis=1).mean() == pytest.approx(0.059, abs=5e-4)
    np.testing.assert_allclose((embedding.coordinates**2).sum(axis=0), np.abs(embedding.eigenvalues[:5]), rtol=1e-6)


def test_complex_coordinates(tmp_path):
    """Along the imaginary axis they are imaginary; nothing else may be."""
    content = publish(tmp_path / "a.pkl")
    expected = np.concatenate([a.reshape(-1, 3) for a in content["inpca_embedding"]])
    turned = [a * np.array([1, 1j, 1]) for a in content["inpca_embedding"]]
    publish(tmp_path / "b.pkl", inpca_embedding=turned, eigen_values=content["eigen_values"] + 0j, tasks=["x", "y"])
    found = inpca.load_published(tmp_path / "b.pkl")
    np.testing.assert_allclose(found.coordinates, expected)
    assert found.eigenvalues.dtype == float and found.index["run"].tolist() == ["x"] * 6 + ["y"] * 4
    for tasks in (["x"], ["x", "x"], [1, 2], "xy", None):
        publish(tmp_path / "c.pkl", tasks=tasks)
        assert inpca.load_published(tmp_path / "c.pkl").index["run"][0] == "task_0"
    publish(tmp_path / "d.pkl", inpca_embedding=[a * 1j for a in content["inpca_embedding"]])
    with pytest.raises(InputError, match="coordinates have imaginary parts up to"):
        inpca.load_published(tmp_path / "d.pkl")


def test_eigenvalues_of_later_published_code_have_another_name(tmp_path):
    content = publish(tmp_path / "a.pkl")
    content["singular_value"] = content.pop("eigen_values")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(content))
    expected = inpca.load_published(tmp_path / "a.pkl").eigenvalues
    np.testing.assert_array_equal(inpca.load_published(tmp_path / "b.pkl").eigenvalues, expected)


def test_tasks_in_one_array(tmp_path):
    tasks = np.random.default_rng(0).standard_normal((2, 3, 4, 3)) + 0j
    publish(tmp_path / "a.pkl", inpca_embedding=tasks)
    np.testing.assert_allclose(inpca.load_published(tmp_path / "a.pkl").coordinates, tasks.real.reshape(-1, 3))
    publish(tmp_path / "b.pkl", inpca_embedding=[tasks[0], tasks[0]], again=tasks[0])  # stored once, referred to twice
    assert len(inpca.load_published(tmp_path / "b.pkl").coordinates) == 24


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
