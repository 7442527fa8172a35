"""The CUDA kernel: the logarithms of the definition in float64, whatever the sizes.

On a GPU where there is one; elsewhere the same tests run in Triton's interpreter, in a process of their own, since
Triton decides when it is imported.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from info_geometry.files import ROOT, InputError
from info_geometry.sums import tensors
from tests.support import stages

pytest.importorskip("triton", reason="torch without CUDA comes without Triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
on_device = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="no CUDA GPU; test_the_kernel_in_the_interpreter runs this without"
)
SMALL = (16, 16, 16, 4, 2)  # many tiles for few models, and fewer classes at a time than there are


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED or DEVICE == "cuda", reason="the tests below run as they are")
def test_the_kernel_in_the_interpreter():
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        timeout=600,
    )
    assert found.returncode == 0 and " passed" in found.stdout, found.stdout + found.stderr


@pytest.fixture(scope="module")
def cuda():
    from info_geometry.sums import gpu as cuda

    return cuda


def roots(seed, models, n, C, precision="float32", sharpness=3.0):
    """Return roots (models, n, C), rounded: softmax outputs, a tenth one-hot, and rows of zeros of the second model."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (models, n, C))
    P = np.exp(logits - logits.max(axis=2, keepdims=True))
    P /= P.sum(axis=2, keepdims=True)
    sure = rng.random((models, n)) < 0.1
    P[sure] = np.eye(C)[rng.integers(0, C, sure.sum())]
    P[1, ::3] = 0
    return torch.from_numpy(np.sqrt(P)).to(DEVICE, getattr(torch, precision))


def slow(a, b, floor):
    """Return the sums of logarithms (R, K) of roots (R, n, C) and (K, n, C), and which affinities are floored."""
    A = np.einsum("unc,vnc->nuv", a.double().cpu().numpy(), b.double().cpu().numpy())
    return np.log(np.maximum(A, floor)).sum(axis=0), floor > A


def error(products, expected, n):
    assert products.log().dtype == np.float64 and products.log().shape == expected.shape
    return abs(products.log() - expected).max() / n


@on_device
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "R, n, C, config",
    [
        (2, 1, 2, None),
        (16, 6, 16, SMALL),
        (17, 13, 10, SMALL),
        (33, 40, 37, SMALL),
        (130, 7, 100, None),
        (65, 5, 130, None),
        (30, 20, 5, (16, 32, 16, 4, 2)),
        (40, 9, 24, (32, 16, 16, 4, 2)),
    ],
)
def test_sums_agree_with_the_definition(cuda, R, n, C, config, precision):
    for floor in (1e-6, 1e-2):
        x = roots(R * n + C, R, n, C, precision)
        products = cuda.Products(R, precision=precision, floor=floor, device=DEVICE, config=config)
        for part in x.tensor_split(3, dim=1):
            products.add(part)
        expected, below = slow(x, x, floor)
        assert error(products, np.triu(expected), n) < 1e-6
        assert products.floored == np.triu(below, 1).sum()


@on_device
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("R, K, config", [(17, 40, SMALL), (40, 3, SMALL), (3, 130, None), (2, 2, None)])
def test_two_sets_of_models(cuda, R, K, config, precision):
    a, b = roots(0, R, 25, 11, precision), roots(1, K, 25, 11, precision)
    products = cuda.Products(R, K, precision=precision, floor=1e-6, device=DEVICE, config=config)
    products.add(a, b)
    expected, below = slow(a, b, 1e-6)
    assert error(products, expected, 25) < 1e-6 and products.floored == below.sum() > 0


@on_device
def test_two_of_five_affinities_floored(cuda):
    x = roots(3, 40, 60, 10, sharpness=60.0)
    products = cuda.Products(40, floor=1e-6, device=DEVICE, config=SMALL)
    products.add(x)
    expected, below = slow(x, x, 1e-6)
    assert below.mean() > 0.4 and products.floored == np.triu(below, 1).sum()
    assert error(products, np.triu(expected), 60) < 1e-6


@on_device
@pytest.mark.parametrize("floor", [1e-30, 1e-6, 0.999])
def test_many_floored_affinities_do_not_underflow(cuda, floor):
    """All are the floor, for longer than a float could hold the product, and than a program takes samples."""
    n = 1100
    x = torch.zeros(2, n, 3, device=DEVICE)
    x[0, :, 0] = x[1, :, 1] = 1
    products = cuda.Products(2, floor=floor, device=DEVICE, config=SMALL)
    products.add(x)
    assert products.log()[0, 1] / n == pytest.approx(np.log(np.float32(floor)), rel=1e-5) and products.floored == n
    assert products.log()[0, 0] == products.log()[1, 1] == products.log()[1, 0] == 0


@on_device
@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-6), ("float16", 1e-5), ("bfloat16", 5e-5)])
def test_distances_are_those_of_exact_roots(cuda, precision, tolerance):
    """Renormalised by self-affinities, rounding of roots to 8 bits moves a distance of N samples by 1e-3 / sqrt(N)."""
    rng = np.random.default_rng(5)
    P = np.exp(rng.normal(0, 3, (6, 1000, 1000)))
    P /= P.sum(axis=2, keepdims=True)
    exact = torch.from_numpy(np.sqrt(P))
    config = (16, 16, 256, 4, 2) if DEVICE == "cpu" else None  # the interpreter is slow
    products = cuda.Products(6, precision=precision, floor=1e-6, device=DEVICE, config=config)
    products.add(exact.to(DEVICE))
    sums = products.log()
    upper = np.triu_indices(6, 1)
    norms = cuda.log_norms(exact.to(DEVICE, getattr(torch, precision)))
    np.testing.assert_allclose(np.diag(sums), norms, atol=3e-4)
    found = (0.5 * np.add.outer(norms, norms) - sums)[upper] / 1000
    difference = found + slow(exact, exact, 1e-6)[0][upper] / 1000
    assert np.sqrt(np.mean(difference**2)) < tolerance


@on_device
def test_views_and_other_types_and_splits_agree(cuda):
    wide = roots(6, 20, 50, 24, "float64")
    expected = slow(wide[:, 7:41, 3:19], wide[:, 7:41, 3:19], 1e-6)[0]
    for x in (wide, wide.float(), wide.float().transpose(0, 1).contiguous().transpose(0, 1)):
        products = cuda.Products(20, floor=1e-6, device=DEVICE, config=SMALL)
        products.add(x[:, 7:20, 3:19])
        products.add(x[:, :0, 3:19])
        products.add(x[:, 20:41, 3:19])
        assert error(products, np.triu(expected), 34) < 1e-6


@on_device
@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-6), ("bfloat16", 1e-3)])
@pytest.mark.parametrize("quantity", ["probability", "sqrt_probability", "fourth_root_8bit"])
def test_arrays_as_they_are_stored(cuda, quantity, precision, tolerance):
    """Rows are normalised, whatever the sides hold; what is no probability is told."""
    exact = roots(8, 9, 30, 12, "float64").cpu().numpy()
    exact[1] = exact[2]
    stored = {
        "probability": lambda: (exact**2).astype(np.float32),
        "sqrt_probability": lambda: exact.astype(np.float16),
        "fourth_root_8bit": lambda: np.rint(200 * np.sqrt(exact)).astype(np.uint8),
    }[quantity]()
    a = stored.astype(float)
    a = {"probability": np.sqrt, "sqrt_probability": lambda x: x, "fourth_root_8bit": np.square}[quantity](a)
    a /= np.linalg.norm(a, axis=2, keepdims=True)
    expected = slow(torch.from_numpy(a), torch.from_numpy(a), 1e-6)[0]
    options = {"precision": precision, "floor": 1e-6, "device": DEVICE, "config": SMALL}

    def products(*counts):
        return tensors.Products(
            *counts,
            precision=precision,
            floor=1e-6,
            device=torch.device(DEVICE),
            kernel=cuda.Products(*counts, **options),
        )

    one, two = products(9), products(9, 4)
    for part in (slice(0, 11), slice(11, 30)):
        off = one.add([stored[:, part]], [quantity])
        assert len(off) == 1 and off[0].shape == (9,)
        two.add([stored[:, part], stored[:4, part]], [quantity, quantity])
    if quantity != "fourth_root_8bit":
        assert off[0].max() < 2e-3
    assert abs(one.log() - np.triu(expected)).max() / 30 < tolerance
    assert abs(two.log() - expected[:, :4]).max() / 30 < tolerance
    bad = stored.copy()
    bad[3, 4, 5] = 250 if quantity == "fourth_root_8bit" else -0.5
    off = products(9).add([bad], [quantity])[0]
    assert off[3] > 0.1 or np.isnan(off[3])


@on_device
def test_what_does_not_fit_is_said(cuda):
    x = roots(7, 3, 4, 5)
    with pytest.raises(InputError, match="it is for float32, float16, bfloat16"):
        cuda.Products(3, precision="float8")
    for floor in (0, 1e-31, 1.0):
        with pytest.raises(InputError, match="floor"):
            cuda.Products(3, floor=floor, device=DEVICE)
    with pytest.raises(InputError, match=r"expected roots \(4, n, C\) of the same samples, found \(3, 4, 5\)"):
        cuda.Products(4, device=DEVICE).add(x)
    with pytest.raises(InputError, match=r"found \(3, 3, 5\)"):
        cuda.Products(3, 3, device=DEVICE).add(x, x[:, 1:])
    with pytest.raises(InputError, match="to neither"):
        cuda.Products(3, device=DEVICE).add(x, x)


def test_samples_are_split_so_that_few_tiles_fill_the_processors(cuda):
    assert 125 <= cuda._splits(1, 2000, 132) <= 132 and 41 <= cuda._splits(3, 5000, 132) <= 44
    for tiles in (1, 7, 120, 10**6):
        for n in (1, 5, 1025, 32768):
            splits = cuda._splits(tiles, n, 132)
            assert 1 <= splits <= n and -(-n // splits) <= cuda.SPLIT


@on_device
def test_the_benchmark_prints_its_tables(cuda, monkeypatch, capsys):
    """Without a GPU all but the timing itself runs, in the interpreter; without that, it says that it needs one."""
    module = stages.script("benchmarks/gpu.py")
    if DEVICE == "cpu":
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "no GPU")
        monkeypatch.setattr(module, "DEVICE", "cpu")
        monkeypatch.setattr(module, "seconds", lambda function, times=10: (function(), 1e-3)[1])
        monkeypatch.setattr(module, "TINY", {"A": (20, 10, 100), "B": (17, 12, 10), "C": (3, 2, 1000)})
        monkeypatch.setattr(cuda, "HALF", (SMALL, cuda.HALF[-1]))
        monkeypatch.setattr(cuda, "FULL", (SMALL, cuda.FULL[-1]))
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--small", "--tune"])
    module.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    tables = "".join(rows)
    for size in ("A (", "B (", "C ("):
        assert tables.count(f"| {size}") == 4 + len(cuda.HALF) + len(cuda.FULL) + 2
    kernel = [line for line in rows if line.count("|") == 9 and "size" not in line and "---" not in line]
    assert len(kernel) == 12 and not any("Error" in line for line in kernel), kernel
    errors = {line.split("|")[2].strip(): float(line.split("|")[8]) for line in kernel}
    assert errors["float32"] < 2e-6 and errors["float16"] < 2e-3 and errors["bfloat16"] < 2e-2


def test_the_benchmark_ends_when_its_time_is_over(monkeypatch, capsys):
    module = stages.script("benchmarks/gpu.py")
    monkeypatch.setattr(module, "deadline", [0.0])
    monkeypatch.setattr(module, "DEVICE", "cpu")
    module.kernel(module.TINY, 1e12)
    module.from_files(module.TINY)
    rows = [line for line in capsys.readouterr().out.splitlines() if "left out, the time is over" in line]
    assert len(rows) == 4 * len(module.TINY) + 3


@pytest.mark.skipif(DEVICE == "cuda" or INTERPRETED, reason="there is a GPU, or a pretended one")
def test_the_benchmark_needs_a_gpu():
    found = subprocess.run([sys.executable, "benchmarks/gpu.py"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 1 and found.stderr == "error: benchmarks/gpu.py needs a CUDA GPU, and torch finds none\n"
