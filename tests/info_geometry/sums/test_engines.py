"""What sums logarithms keeps to one contract, whichever it is."""

import functools
import inspect

import numpy as np
import pytest
import torch

from info_geometry.sums import engines, fused, plain, tensors


def engine(name):
    """Return two engines: of 3 models with one another, and of 3 with 2."""
    options = {"precision": "float64", "floor": 1e-6}
    make = {
        "plain": plain.Products,
        "fused": fused.Products,
        "tensors": functools.partial(tensors.Products, device=torch.device("cpu")),
    }[name]
    make = functools.partial(make, **options)
    return make(3), make(3, 2)


@pytest.mark.parametrize("name", ["plain", "fused", "tensors"])
def test_engines_keep_to_the_contract(name):
    one, two = engine(name)
    models = np.random.default_rng(0).dirichlet(np.ones(4), (5, 6))  # (models, samples, classes)
    for products, sides in ((one, [models[:3]]), (two, [models[:3], models[3:]])):
        assert isinstance(products, engines.Products) and products.kind == np.float64
        assert list(inspect.signature(products.add).parameters) == ["sides", "quantities"]
        off = products.add([np.sqrt(x) for x in sides], ["sqrt_probability"] * len(sides))
        assert [len(x) for x in off] == [len(x) for x in sides] and all((x < 1e-12).all() for x in off)
        assert products.floored == 0
        expected = np.log(np.einsum("anc,bnc->nab", np.sqrt(sides[0]), np.sqrt(sides[-1]))).sum(axis=0)
        expected = np.triu(expected) if len(sides) == 1 else expected
        np.testing.assert_allclose(products.log(), expected, atol=1e-12)


def test_sums_over_groups_keep_to_the_contract_but_for_the_groups():
    make = lambda: engine("plain")[0]  # noqa: E731
    grouped = engines.Grouped(make, np.array([0, 1, 1]), 3)
    assert isinstance(grouped, engines.Products)
    assert list(inspect.signature(grouped.add).parameters) == ["sides", "quantities", "groups"]


def test_the_kernel_of_a_gpu_keeps_to_its_contract():
    gpu = pytest.importorskip("info_geometry.sums.gpu", reason="triton is not installed")
    kernel = gpu.Products(3, device="cpu")
    assert isinstance(kernel, engines.Kernel)
    for method in ("add", "log"):
        assert (
            inspect.signature(getattr(gpu.Products, method)).parameters.keys()
            == inspect.signature(getattr(engines.Kernel, method)).parameters.keys()
        )
