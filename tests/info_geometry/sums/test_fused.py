"""The fused pass on the CPU: the logarithms of the definition, whatever the sizes, the floor and what is stored."""

import logging
import sys

import numpy as np
import pytest

from info_geometry import distance, geodesic, predictions
from info_geometry.files import InputError
from info_geometry.sums import cosines, engines, fused

BFLOAT16 = pytest.param("bfloat16", 4e-3, marks=pytest.mark.skipif(not fused.BFLOAT16, reason="this CPU has none"))
PRECISIONS = [("float64", 1e-12), ("float32", 1e-6), BFLOAT16]


def roots(seed, N, M, C, sharpness=3.0, kind=np.float64):
    """Return roots (N, M, C): softmax outputs, every tenth one-hot."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (N, M, C))
    P = np.exp(logits - logits.max(axis=2, keepdims=True))
    P /= P.sum(axis=2, keepdims=True)
    sure = rng.random((N, M)) < 0.1
    P[sure] = np.eye(C)[rng.integers(0, C, sure.sum())]
    return np.sqrt(P).astype(kind)


def slow(R, floor):
    """Return the sums of logarithms (M, M) of roots (N, M, C), and how many pairs were floored."""
    A = np.einsum("nuc,nvc->nuv", R.astype(np.float64), R.astype(np.float64))
    return np.triu(np.log(np.maximum(A, floor)).sum(axis=0)), int(sum(np.triu(a < floor, 1).sum() for a in A))


def slow_cross(R, Q, floor):
    A = np.einsum("nuc,nvc->nuv", R, Q)
    return np.log(np.maximum(A, floor)).sum(axis=0), int((floor > A).sum())


def add(products, *sides, quantity="sqrt_probability"):
    """Add roots (n, M, C) in three parts."""
    for parts in zip(*(np.array_split(x.transpose(1, 0, 2), 3, axis=1) for x in sides)):
        if parts[0].shape[1]:
            yield products.add([np.ascontiguousarray(x) for x in parts], [quantity] * len(sides))


@pytest.mark.parametrize("precision, tolerance", PRECISIONS)
@pytest.mark.parametrize(
    "N, M, C",
    [
        (1, 2, 2),
        (15, 5, 3),
        (16, 31, 10),
        (17, 32, 16),
        (33, 33, 48),
        (40, 130, 49),
        (100, 7, 1),
        (3, 260, 60),
        (5, 300, 4),
        (30, 20, 1001),
    ],
)
def test_sums_agree_with_the_definition(N, M, C, precision, tolerance):
    """Sums of products in one order or another: 1e-6 of an affinity in float32, and 2^-9 of a root in bfloat16."""
    R = roots(N * M + C, N, M, C)
    for floor in (1e-6, 1e-3, 0.5, 1e-30):
        products = fused.Products(M, precision=precision, floor=floor)
        for off in add(products, R):
            assert off[0].shape == (M,) and off[0].max() < 1e-5
        expected, floored = slow(R, floor)
        got = products.log()
        assert abs(got - expected).max() <= tolerance * N + 1e-9
        assert not np.tril(got, -1).any() and not got.diagonal().any()
        if precision == "float64":
            assert products.floored == floored


@pytest.mark.parametrize("precision, tolerance", PRECISIONS)
@pytest.mark.parametrize("M, K, C", [(2, 1, 2), (40, 33, 10), (7, 70, 33), (130, 3, 101)])
def test_two_sets_agree_with_the_definition(M, K, C, precision, tolerance):
    R, Q = roots(M, 20, M, C), roots(K + 1000, 20, K, C)
    products = fused.Products(M, K, precision=precision, floor=1e-6)
    for off in add(products, R, Q):
        assert [x.shape for x in off] == [(M,), (K,)]
    expected, floored = slow_cross(R, Q, 1e-6)
    assert abs(products.log() - expected).max() <= tolerance * 20
    if precision == "float64":
        assert products.floored == floored


@pytest.mark.parametrize("precision", ["float64", "float32", BFLOAT16.values[0]])
@pytest.mark.parametrize("C", [2, 10, 60])
def test_many_floored_affinities_do_not_underflow(C, precision):
    """All are the floor: one-hot rows of different classes, for longer than any float could hold the product."""
    if precision == "bfloat16" and not fused.BFLOAT16:
        pytest.skip("this CPU has none")
    R = np.zeros((2, 1000, C))
    R[0, :, 0] = R[1, :, 1] = 1
    for floor in (1e-6, 1e-30):
        products = fused.Products(2, precision=precision, floor=floor)
        products.add([R], ["sqrt_probability"])
        kind = np.float64 if precision == "float64" else np.float32
        assert abs(products.log()[0, 1] / 1000 - np.log(kind(floor))) < 1e-5 and products.floored == 1000
        assert products.log()[0, 0] == products.log()[1, 1] == products.log()[1, 0] == 0


def test_rows_of_zeros_are_below_the_floor_with_everyone():
    """The floor of each affinity comes first: padding of sets to whole panels is not counted."""
    R = roots(0, 20, 6, 10)
    R[:, 3] = 0
    products, both = (
        fused.Products(6, precision="float64", floor=1e-6),
        fused.Products(6, 6, precision="float64", floor=1e-6),
    )
    off = [sides[0] for sides in add(products, R)].pop()
    assert off[3] == 1 and np.delete(off, 3).max() < 1e-12
    [*add(both, R, R)]
    expected, floored = slow(R, 1e-6)
    others = np.delete(np.arange(6), 3)
    assert np.allclose(products.log()[np.ix_(others, others)], expected[np.ix_(others, others)], rtol=1e-12)
    assert products.floored == floored
    assert both.floored == slow_cross(R, R, 1e-6)[1]


@pytest.mark.parametrize("value, what", [(-0.01, "negative"), (np.nan, "nan"), (np.inf, "infinite")])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("quantity", ["sqrt_probability", "probability"])
def test_numbers_that_are_no_probabilities_are_told(value, what, kind, quantity):
    R = roots(1, 9, 5, 7).transpose(1, 0, 2).astype(kind)
    R[2, 4, 1] = value
    off = fused.Products(5, precision="float32", floor=1e-6).add([R], [quantity])[0]
    assert not off[2] < 10 and (off[[0, 1, 3, 4]] < 10).all()
    R[2, 4] = 0.9
    assert 0.1 < fused.Products(5, precision="float32", floor=1e-6).add([R], ["sqrt_probability"])[0][2] < 10


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "quantity, kind",
    [
        ("sqrt_probability", np.float16),
        ("probability", np.float16),
        ("probability", np.float64),
        ("fourth_root_8bit", np.uint8),
    ],
)
def test_every_quantity_is_read_as_predictions_read_it(precision, quantity, kind):
    P = roots(2, 30, 40, 12).transpose(1, 0, 2) ** 2
    stored = {"sqrt_probability": np.sqrt(P), "probability": P, "fourth_root_8bit": np.rint(255 * P**0.25)}[quantity]
    stored = stored.astype(kind)
    products = fused.Products(40, precision=precision, floor=1e-6)
    products.add([stored], [quantity])
    R = predictions.to_roots(stored.astype(np.float64), quantity)
    R /= np.linalg.norm(R, axis=2, keepdims=True)
    assert abs(products.log() - slow(R.transpose(1, 0, 2), 1e-6)[0]).max() < 30 * (
        1e-6 if precision == "float32" else 1e-12
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("C", [1, 3, 10, 100, 1023])
def test_samples_are_packed_in_parts_of_any_size(precision, C):
    """Few classes are packed many samples at a time, and the last of these may be fewer numbers than a vector has."""
    for n in (1, 2, 5, 1024 // C, 1024 // C + 1, 2 * (1024 // C) + 1):
        for M in (32, 33):
            R = roots(n * C + M, max(n, 1), M, C)
            products = fused.Products(M, precision=precision, floor=1e-6)
            products.add([np.ascontiguousarray(R.transpose(1, 0, 2)).astype(np.float16)], ["sqrt_probability"])
            stored = R.astype(np.float16).astype(float)
            stored /= np.linalg.norm(stored, axis=2, keepdims=True)
            assert abs(products.log() - slow(stored, 1e-6)[0]).max() < n * (3e-6 if precision == "float32" else 1e-12)


def test_every_float16_is_read_as_numpy_reads_it():
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).reshape(-1, 64, 1)  # all finite ones that are >= 0
    off = fused.Products(len(halves), precision="float64", floor=1e-6).add([halves], ["sqrt_probability"])[0]
    assert (off == abs(halves.astype(np.float64) ** 2 - 1).max(axis=(1, 2))).all()


@pytest.mark.parametrize("precision, tolerance", PRECISIONS)
@pytest.mark.parametrize("C, sharpness", [(10, 3.0), (10, 30.0), (100, 8.0), (1000, 5.0)])
def test_fast_and_plain_distances_agree(caplog, precision, tolerance, C, sharpness):
    """Sharp predictions: two of five affinities are below the floor."""
    P = roots(1, 60, 70, C, sharpness).transpose(1, 0, 2) ** 2
    with caplog.at_level(logging.INFO, logger="info_geometry"):
        plain, fast, blocks = (
            distance.pairwise([P], precision=precision, **options)
            for options in ({"fast": False}, {"fast": True}, {"fast": True, "block": 7})
        )
    tolerance = min(tolerance, 1e-3)  # in bfloat16: roots that differ in the last bit may be rounded apart
    assert abs(plain - fast).max() < tolerance and abs(fast - blocks).max() < tolerance
    assert (fast == fast.T).all() and not fast.diagonal().any()
    assert abs(distance.cross([P], [P[:9]], precision=precision, fast=True) - plain[:, :9]).max() < tolerance
    found = [record.getMessage() for record in caplog.records if "below the floor" in record.getMessage()]
    assert precision != "float64" or len(set(found[:3])) <= 1
    if sharpness == 30:
        assert int(found[0].split()[0]) > 0.4 * 60 * 70 * 69 / 2


@pytest.mark.skipif(not fused.BFLOAT16, reason="this CPU has none")
def test_bfloat16_is_as_precise_as_it_says():
    """RMS of the error about 1e-3 / sqrt N even for models that have little in common; copies have distance 0."""
    P = roots(3, 300, 40, 1000).transpose(1, 0, 2) ** 2
    P[7] = P[3]
    exact, D = (distance.pairwise([P], precision=precision, fast=True) for precision in ("float64", "bfloat16"))
    assert 1e-7 < np.sqrt(np.mean((D - exact) ** 2)) < 1.2e-3 / np.sqrt(300) and D[3, 7] == 0


def test_default_is_fast_where_it_pays(monkeypatch):
    P = roots(2, 30, 20, 10).transpose(1, 0, 2) ** 2
    expected, asked, Products = distance.pairwise([P]), [], fused.Products
    monkeypatch.setattr(
        fused, "Products", lambda *counts, **options: asked.append(counts) or Products(*counts, **options)
    )
    distance.pairwise([P])
    assert not asked
    monkeypatch.setattr(engines, "FUSED_FROM", 20 * 20 * 30)
    assert abs(distance.pairwise([P], precision="float64") - expected).max() < 1e-12 and asked == [(20,)]
    assert 0 < abs(distance.pairwise([P]) - expected).max() < 1e-7 and asked == [(20,)] * 2  # in float32


def test_fast_that_is_not_to_be_had_is_said(monkeypatch):
    P = roots(3, 5, 4, 6).transpose(1, 0, 2) ** 2
    for floor in (0.0, 1e-310):
        with pytest.raises(InputError, match=r"fast=True: not to be had .*floor .* is below 2"):
            distance.pairwise([P], fast=True, floor=floor)
    monkeypatch.setitem(sys.modules, "info_geometry.sums.fused", None)
    monkeypatch.delattr("info_geometry.sums.fused")
    with pytest.raises(InputError, match=r"fast=True: not to be had .*; leave it out"):
        distance.pairwise([P], fast=True)
    monkeypatch.setattr(engines, "FUSED_FROM", 0)
    assert abs(distance.pairwise([P]) - distance.pairwise([P], fast=False)).max() == 0


@pytest.mark.parametrize(
    "kind, quantity",
    [
        (np.float16, "sqrt_probability"),
        (np.float16, "probability"),
        (np.float32, "probability"),
        (np.uint8, "fourth_root_8bit"),
    ],
)
@pytest.mark.parametrize("n, C", [(7, 2), (33, 10), (20, 101)])
def test_cosines_agree_with_the_definition(kind, quantity, n, C):
    P = roots(n, n, 5, C).transpose(1, 0, 2) ** 2
    stored = {"sqrt_probability": np.sqrt(P), "probability": P, "fourth_root_8bit": np.rint(255 * P**0.25)}[quantity]
    stored, labels = stored.astype(kind), np.random.default_rng(n).integers(0, C, n)
    uniform, truth, off = fused.cosines(stored, labels, quantity)
    R = predictions.to_roots(stored.astype(np.float64), quantity)
    norms = np.linalg.norm(R, axis=2)
    assert abs(uniform - R.sum(axis=2) / norms / np.sqrt(C)).max() < 1e-14
    assert abs(truth - R[:, np.arange(n), labels] / norms).max() < 1e-14
    assert abs(off - abs(norms**2 - 1)).max() < 1e-12


def test_progress_is_the_same_in_one_compiled_pass(monkeypatch):
    P, labels = roots(5, 40, 6, 8).transpose(1, 0, 2) ** 2, np.arange(40) % 8
    plain = {objective: geodesic.progress(P, labels, objective) for objective in geodesic.OBJECTIVES}
    monkeypatch.setattr(cosines, "FUSED_FROM", 0)
    for objective, expected in plain.items():
        assert abs(geodesic.progress(P, labels, objective) - expected).max() < 1e-6
    P[3, 7, 1] = np.nan
    with pytest.raises(InputError, match=r"checkpoint 3 .*not finite; the first is sample 7"):
        geodesic.progress(P, labels)


def test_which_code_computes_follows_from_the_size_alone(monkeypatch):
    """And not from what was imported before, as numba's pass is here."""
    P, labels, asked = roots(5, 40, 6, 8).transpose(1, 0, 2) ** 2, np.arange(40) % 8, []
    compiled = fused.cosines
    monkeypatch.setattr(fused, "cosines", lambda *arguments: asked.append(len(arguments[0])) or compiled(*arguments))
    cosines.cosines(P, labels)
    assert not asked
    monkeypatch.setattr(cosines, "FUSED_FROM", P.size)
    cosines.cosines(P, labels)
    assert asked == [6]
    monkeypatch.setattr(cosines, "FUSED_FROM", P.size + 1)
    cosines.cosines(P, labels)
    assert asked == [6]
