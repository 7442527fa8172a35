"""Chunks read beside HDF5: the same numbers, whatever is asked for; anything else is left to HDF5."""

import os

import h5py
import numpy as np
import pytest

from info_geometry.files import chunks, hdf5, machine, plain_chunks
from tests.support.prediction_files import flip_bit

SHAPE = T, N, C = 6, 53, 6


def store(path, rows=10, kind=np.float16, chunk=None, **layout):
    data = np.random.default_rng(0).integers(0, 255, SHAPE).astype(kind)
    with h5py.File(path, "w", libver="v110") as file:
        file.create_dataset("data", data=data, chunks=chunk or (1, rows, C), **{"fletcher32": True, **layout})
    return data


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", [np.float16, np.uint8, np.float64])
def test_any_part_of_any_models(tmp_path, monkeypatch, kind, threads):
    monkeypatch.setattr(machine, "threads", lambda: threads)
    monkeypatch.setattr(chunks, "SHARED_FROM", 0)
    path, chance = tmp_path / "a.h5", np.random.default_rng(1)
    for rows in (1, 7, 10, N):
        data, read = store(path, rows, kind), chunks.Chunks(path).read
        for _ in range(60):
            which, (a, b) = chance.integers(0, T, chance.integers(1, 9)), sorted(chance.integers(0, N + 1, 2))
            out = np.empty((len(which), b - a, C), kind)
            if a < b:
                assert read(which, a, b, out)
                np.testing.assert_array_equal(out, data[which, a:b])


def test_more_chunks_than_the_system_reads_at_once(tmp_path, monkeypatch):
    data = np.arange(3000, dtype=np.float16).reshape(1, 1500, 2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=data, chunks=(1, 1, 2), fletcher32=True)
    out = np.empty_like(data)
    assert plain_chunks.PARTS < 1500 and chunks.Chunks(tmp_path / "a.h5").read(np.arange(1), 0, 1500, out)
    np.testing.assert_array_equal(out, data)


@pytest.mark.parametrize("row", [0, 25, 40, N - 1])
def test_a_flipped_bit_and_a_file_cut_short(tmp_path, row):
    path = tmp_path / "a.h5"
    store(path)
    first, last = flip_bit(path, 2, row)
    reader = chunks.Chunks(path)
    for a, b in ((0, N), (row, row + 1), (first, last + 1)):
        out = np.empty((T, b - a, C), np.float16)
        assert not reader.read(np.arange(T), a, b, out) and reader.read(np.array([0, 1, 3, 4, 5]), a, b, out[:5])
    os.truncate(path, path.stat().st_size // 2)
    assert not reader.read(np.arange(T), 0, N, np.empty(SHAPE, np.float16))
    path.unlink()
    assert not reader.read(np.arange(T), 0, N, np.empty(SHAPE, np.float16))


@pytest.mark.parametrize(
    "layout",
    [
        {"compression": "gzip"},
        {"shuffle": True},
        {"fletcher32": False},
        {"chunk": (2, 10, C)},
        {"chunk": (1, 10, 3)},
        {"kind": ">f2"},
        {"kind": np.uint8, "chunk": (1, 10, C), "compression": "lzf"},
    ],
    ids=str,
)
def test_other_layouts_are_left_to_hdf5(tmp_path, layout):
    store(tmp_path / "a.h5", **layout)
    reader = chunks.Chunks(tmp_path / "a.h5")
    assert reader.places is None and not reader.read(np.arange(T), 0, N, np.empty(SHAPE, np.float16))


def test_a_chunk_without_its_sum_is_left_to_hdf5(tmp_path):
    data = store(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["data"].id.write_direct_chunk((3, 20, 0), data[3, 20:30].tobytes(), 1)  # 1: the filter was not used
    assert chunks.Chunks(tmp_path / "a.h5").places is None
    out = np.empty(SHAPE, np.float16)
    hdf5.read(tmp_path / "a.h5", np.arange(T), 0, N, out)
    np.testing.assert_array_equal(out, data)


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 1000, 40_000])
def test_sums_are_those_of_hdf5(tmp_path, n):
    words = np.random.default_rng(n).integers(0, 2**16, (5, n)).astype(np.uint16)
    words[0], words[1], words[2, :-1] = 0, 0xFFFF, 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", data=words, chunks=(1, n), fletcher32=True)
        for i, row in enumerate(words):
            stored = int.from_bytes(data.id.read_direct_chunk((i, 0))[1][-4:], "little")
            assert plain_chunks.fletcher32(row) == stored
