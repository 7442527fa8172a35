"""The compiled pass: the logarithms of the definition, whatever the sizes, the floor and the number of samples."""
import logging
import sys

import numpy as np
import pytest

from info_geometry import distance
from info_geometry.files import InputError

fused = pytest.importorskip("info_geometry.fused", reason="numba is not installed")


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


@pytest.mark.parametrize("kind, tolerance", [(np.float64, 1e-12), (np.float32, 3e-6)])
@pytest.mark.parametrize("N, M, C", [(1, 2, 2), (15, 5, 3), (16, 127, 10), (17, 128, 10), (33, 129, 48), (40, 130, 49),
                                     (100, 7, 10), (3, 260, 60), (5, 300, 4)])
def test_sums_agree_with_the_definition(N, M, C, kind, tolerance):
    for floor in (1e-6, 1e-3, 0.5, 1e-30):
        R = roots(N * M + C, N, M, C, kind=kind)
        products = fused.Products(M, kind, floor)
        for part in np.array_split(R, 3):
            if len(part):
                products.add(np.ascontiguousarray(part))
        expected, floored = slow(R, floor)
        assert abs(products.log() - expected).max() <= tolerance * N
        if kind == np.float64:
            assert products.floored == floored


@pytest.mark.parametrize("C", [10, 60])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_many_floored_affinities_do_not_underflow(C, kind):
    """All are the floor: one-hot rows of different classes, for longer than any float could hold the product."""
    R = np.zeros((1000, 2, C), kind)
    R[:, 0, 0] = R[:, 1, 1] = 1
    for floor in (1e-6, 1e-30):
        products = fused.Products(2, kind, floor)
        products.add(R)
        assert abs(products.log()[0, 1] / 1000 - np.log(kind(floor))) < 1e-5 and products.floored == 1000
        assert products.log()[0, 0] == products.log()[1, 1] == products.log()[1, 0] == 0


@pytest.mark.parametrize("rows", ["zero", "infinite"])
def test_rows_that_are_no_probabilities_do_no_harm_to_others(rows):
    R = roots(0, 20, 6, 10)
    R[:, 3] = 0 if rows == "zero" else 1e3
    products = fused.Products(6, float, 1e-6)
    products.add(R)
    assert np.allclose(products.log(), slow(R, 1e-6)[0], rtol=1e-12)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("C, sharpness", [(10, 3.0), (10, 30.0), (100, 8.0)])
def test_fast_and_plain_distances_agree(caplog, dtype, tolerance, C, sharpness):
    """Sharp predictions: two of five affinities are below the floor."""
    P = roots(1, 60, 70, C, sharpness).transpose(1, 0, 2) ** 2
    with caplog.at_level(logging.INFO, logger="info_geometry"):
        plain, fast, blocks = (distance.pairwise([P], precision=dtype, **options) for options in (
            {"fast": False}, {"fast": True}, {"fast": True, "block": 7}))
    assert abs(plain - fast).max() < tolerance and abs(fast - blocks).max() < tolerance
    assert (fast == fast.T).all() and not fast.diagonal().any()
    found = [record.getMessage() for record in caplog.records if "below the floor" in record.getMessage()]
    assert len(found) in (0, 3) and (dtype == "float32" or len(set(found)) <= 1)
    if sharpness == 30:
        assert int(found[0].split()[0]) > 0.4 * 60 * 70 * 69 / 2


def test_default_is_fast_where_it_pays(monkeypatch):
    P = roots(2, 30, 20, 10).transpose(1, 0, 2) ** 2
    expected, asked, Products = distance.pairwise([P]), [], fused.Products
    monkeypatch.setattr(fused, "Products", lambda *arguments: asked.append(arguments) or Products(*arguments))
    distance.pairwise([P])
    assert not asked
    monkeypatch.setattr(distance, "FAST_FROM", 20 * 20 * 30)
    assert abs(distance.pairwise([P]) - expected).max() < 1e-12 and len(asked) == 1
    monkeypatch.setitem(distance.FAST_CLASSES, "float64", 9)
    distance.pairwise([P])
    assert len(asked) == 1


def test_fast_that_is_not_to_be_had_is_said(monkeypatch):
    P = roots(3, 5, 4, 6).transpose(1, 0, 2) ** 2
    for floor in (0.0, 1e-40):
        with pytest.raises(InputError, match=r"fast=True: not to be had .*floors from 1e-30"):
            distance.pairwise([P], fast=True, floor=floor)
    monkeypatch.setitem(sys.modules, "info_geometry.fused", None)
    monkeypatch.delattr("info_geometry.fused")
    with pytest.raises(InputError, match=r"pip install 'picture-of-tasks\[fast\]'"):
        distance.pairwise([P], fast=True)
    monkeypatch.setattr(distance, "FAST_FROM", 0)
    assert abs(distance.pairwise([P]) - distance.pairwise([P], fast=False)).max() == 0
