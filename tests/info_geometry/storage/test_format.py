"""The layout: chunks that suit readers; files that are incomplete, foreign or hostile are refused."""

import os
import pickle
import textwrap

import h5py
import numpy as np
import pytest

from info_geometry import predictions
from info_geometry.storage import format
from tests.support.prediction_files import LABELS, C, N, T, names, publish, refused, replace
from tests.support.processes import python


@pytest.mark.parametrize("classes", [2, 10, 36, 100, 337, 1000, 22000])
@pytest.mark.parametrize("samples", [1, 2, 599, 601, 2000, 10000, 20000, 49999, 50000])
def test_chunks_waste_little_and_suit_slabs(samples, classes):
    rows = format.chunk_rows(samples, classes)
    assert 1 <= rows <= samples
    assert -samples % rows <= 0.05 * samples
    if samples >= 2000 and classes <= 1000:
        assert 0.7 < rows**2 * classes / 1.5e6 * 1.4 < 2.5


def test_slabs_touch_fewer_bytes_than_with_automatic_chunks(tmp_path):
    """HDF5 reads whole chunks where they have a checksum: count them, for slabs wherever they start."""
    shape = 60, 2000, 1000
    with h5py.File(tmp_path / "a.h5", "w") as file:
        automatic = file.create_dataset("data", shape, "f2", chunks=True).chunks
    for slab in (1000, 300, 48):
        read = [
            np.mean([((start + slab - 1) // rows - start // rows + 1) * rows for start in range(shape[1] - slab)])
            / slab
            for rows in (format.chunk_rows(*shape[1:]), automatic[1])
        ]
        assert read[0] < min(2, read[1])


def test_chunks_smaller_than_the_samples_are_the_same(tmp_path, monkeypatch, models):
    monkeypatch.setattr(format, "chunk_rows", lambda N, C: 8)
    predictions.write(tmp_path / "a.h5", models, labels=LABELS)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["data"].chunks == (1, 8, C)
    trajectory = predictions.open_trajectory(tmp_path / "a.h5")
    np.testing.assert_allclose(trajectory.roots(5, 21), np.sqrt(models)[:, 5:21], rtol=1e-3, atol=1e-7)


# incomplete, damaged and foreign files


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 99])
def test_truncated_file(path, percent):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * percent // 100])
    refused(path, "is not a complete trajectory file .*Delete it and", predictions.open_trajectory)


def test_what_is_no_file(tmp_path):
    refused(tmp_path / "a.h5", "no such file", predictions.open_trajectory)
    refused(tmp_path, "is a folder", predictions.open_trajectory)
    (tmp_path / "text.h5").write_text("not HDF5\n" * 1000)
    message = "is not a complete trajectory file .*nor any HDF5 file; if it should be one, store"  # not: delete it
    refused(tmp_path / "text.h5", message, predictions.open_trajectory)


def test_evil_pickle_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "marker"),)

    (tmp_path / "a.h5").write_bytes(pickle.dumps(Evil()))
    refused(tmp_path / "a.h5", "is not a complete trajectory file")
    assert names(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("name", ["data", "t", "labels"])
def test_arrays_outside_the_file_are_refused(tmp_path, path, name):
    """External storage, soft and external links, and virtual datasets, in place of each of the three arrays."""
    with h5py.File(path) as file:
        array = file[name][:]
    secret = tmp_path / "secret"
    secret.write_bytes(array.tobytes())
    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        file[name] = array

    def external_storage(file):
        file.create_dataset(name, array.shape, array.dtype, external=[(str(secret), 0, array.nbytes)])

    def soft_link(file):
        file["group/array"] = array
        file[name] = h5py.SoftLink("/group/array")

    def external_link(file):
        file[name] = h5py.ExternalLink(str(tmp_path / "elsewhere.h5"), name)

    def virtual(file):
        layout = h5py.VirtualLayout(array.shape, array.dtype)
        layout[:] = h5py.VirtualSource(str(tmp_path / "elsewhere.h5"), name, array.shape)
        file.create_virtual_dataset(name, layout)

    for put, message in (
        (external_storage, "refers to other files"),
        (soft_link, "is a link to another place"),
        (external_link, "is a link to another place"),
        (virtual, "refers to other files"),
    ):
        with h5py.File(path, "r+") as file:
            del file[name]
            put(file)
        refused(path, f"'{name}' {message}; refused", predictions.open_trajectory)
        # h5py itself would have followed it
        with h5py.File(path) as file:
            assert file[name].shape == array.shape


def chunked_bomb(file):
    file.create_dataset("data", (1 << 14, 1 << 17, 1 << 16), "f2", chunks=(1, 1 << 9, 1 << 9), fillvalue=0)


def contiguous_bomb(file):
    file.create_dataset("data", (1 << 14, 1 << 17, 1 << 16), "f2")


def partly_written(file):
    file.create_dataset("data", (T, N, C), "f2", chunks=(1, N, C))[0] = 1 / C


@pytest.mark.parametrize(
    "put, message",
    [
        (
            chunked_bomb,
            r"is not complete: 'data' declares \(16384, 131072, 65536\), but only 0 of \d+ chunks were written",
        ),
        (contiguous_bomb, "is not complete: 'data' declares .* but only 0 of 281474976710656 bytes were written"),
        (partly_written, "is not complete: .* but only 1 of 4 chunks were written"),
        (lambda file: file.create_group("data"), "'data' is not an array"),
        (lambda file: file.__setitem__("data", np.dtype("f4")), "'data' is not an array"),
        (lambda file: file.__setitem__("other", np.ones(3)), "there is no array 'data' in it"),
        (lambda file: file.__setitem__("data", np.ones((N, C))), r"has shape \(50, 6\) of float64, expected .* 3 dim"),
        (lambda file: file.__setitem__("data", np.ones((T, N, C), "i4")), "of int32, expected"),
        (lambda file: file.__setitem__("data", np.ones((T, N, 0))), "expected a non-empty"),
        (lambda file: file.__setitem__("data", np.ones((T, N, C), "c8")), "of complex64, expected"),
        (lambda file: file.create_dataset("data", (T, N, C), np.longdouble), "expected a non-empty numeric"),
        (lambda file: file.create_dataset("data", (T, N, C), h5py.string_dtype()), "of object, expected"),
        (lambda file: file.create_dataset("data", (T, N, C), h5py.ref_dtype), "of object, expected"),
        (lambda file: file.create_dataset("data", (T, N, C), [("a", "f4")]), "expected a non-empty numeric"),
        (lambda file: file.create_dataset("data", data=h5py.Empty("f4")), "."),
    ],
)
def test_foreign_and_hostile_arrays(tmp_path, put, message):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        put(file)
    assert (tmp_path / "a.h5").stat().st_size < 1 << 17
    refused(tmp_path / "a.h5", message, predictions.open_trajectory)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda file: file.attrs.__setitem__("quantity", "logits"), "quantity is 'logits', expected one of"),
        (lambda file: file.attrs.__setitem__("quantity", np.ones(3)), "quantity is None, expected one of"),
        (lambda file: file.attrs.__setitem__("format_version", 2), "format version 2, this program reads 1; update it"),
        (lambda file: file.attrs.__delitem__("format_version"), "format version None"),
        (lambda file: file.attrs.__setitem__("data_sha256", "[1]"), r"attribute data_sha256 is \[1\], expected a text"),
        (lambda file: file.attrs.__setitem__("labels_sha256", 7), "attribute labels_sha256 is 7, expected a text"),
        (lambda file: file.attrs.__delitem__("t_name"), "attribute t_name is None"),
        (lambda file: file["t"].__setitem__(1, np.nan), "t has values that are not finite"),
        (lambda file: file["labels"].__setitem__(1, C), "labels reach from 0 to 6, expected 0 to 5"),
        (lambda file: file["labels"].__setitem__(1, -1), "labels reach from -1 to 5"),
        (lambda file: replace(file, "t", np.arange(3.0)), "'t' has 3 entries, expected 4"),
        (lambda file: replace(file, "t", np.ones((4, 1))), "'t' has shape .* of float64, expected .* of floats or int"),
        (lambda file: replace(file, "labels", LABELS[:-1]), "'labels' has 49 entries, expected 50"),
        (lambda file: replace(file, "labels", LABELS + 0.5), "expected 50 labels, whole numbers"),
        (lambda file: replace(file, "labels", LABELS[::-1].copy()), "labels do not match their fingerprint"),
        (lambda file: file["data"].__setitem__(1, file["data"][0]), "data do not match their fingerprint"),
        (
            lambda file: file["data"].__setitem__((1, 8, 2), np.nan),
            r"checkpoint 1 \(t = 1\): 1 of 50 rows are not finite; the first is sample 8",
        ),
        (lambda file: file["data"].__setitem__((1, 8, 2), -1.0), r"checkpoint 1 .*negative \(first: sample 8\)"),
    ],
)
def test_changed_files(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    refused(path, message)


def test_attributes_that_are_no_texts_or_numbers_are_left_unread(path):
    with h5py.File(path, "r+") as file:
        file.attrs["array"] = np.ones(5)
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["bytes"] = np.bytes_(b"\xff\xfe")
        file.attrs.create("texts", ["a", "b"], dtype=h5py.string_dtype())
        file.attrs.create("reference", file["data"].ref, dtype=h5py.ref_dtype)
        file.attrs["deep"] = "[" * 900
    attributes = predictions.open_trajectory(path).attributes
    assert not {"array", "nothing", "texts", "reference"} & set(attributes) and attributes["deep"] == "[" * 900
    assert predictions.check(path).startswith(f"{path}: sound")


# compression


def test_lz4_of_published_files(tmp_path, models):
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed (pip install hdf5plugin)")
    publish(tmp_path / "a.h5", models, **hdf5plugin.LZ4())
    code = """
        import sys
        from info_geometry import predictions
        assert "hdf5plugin" not in sys.modules
        print(predictions.check(sys.argv[1]))
    """
    result = python(code, tmp_path / "a.h5")
    assert result.returncode == 0 and "sound" in result.stdout, result.stderr
    without = "import sys; sys.modules['hdf5plugin'] = None\n" + textwrap.dedent(code).replace("not in", "in")
    result = python(without, tmp_path / "a.h5")
    assert result.returncode != 0
    assert "which cannot be read here: pip install hdf5plugin" in result.stderr


def test_unknown_compression_is_said_and_no_plugin_is_searched(tmp_path, models):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, N, C))
        plist.set_filter(305, h5py.h5z.FLAG_OPTIONAL, ())  # LZO, which hdf5plugin has not
        space = h5py.h5s.create_simple((T, N, C))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F16LE, space, plist)
        for i in range(T):
            data.write_direct_chunk((i, 0, 0), models[i].astype(np.float16).tobytes())
    refused(tmp_path / "a.h5", r"HDF5 filter 305\), which cannot be read here: decompress it first")
