"""This machine: where the repository lies, its processors and memory, and which packages are installed."""

import contextlib
import ctypes
import functools
import importlib.metadata
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from info_geometry.files.errors import InputError, first_line


def root(package: Path) -> Path:
    """Return the folder below which predictions and plots lie by default: the clone that this package is in.

    Where the package was installed without a clone, among other packages: the working directory.
    """
    above = package.parent
    return above if (above / "pyproject.toml").exists() and (above / "learning").is_dir() else Path.cwd()


ROOT = root(Path(__file__).resolve().parents[1])
PACKAGES = "picture-of-tasks", "torch", "torchvision", "numpy", "h5py"  # that predictions depend on


def threads() -> int:
    """Return how many threads to use: OMP_NUM_THREADS, as torch does, or one for each processor."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(asked) if asked.isdecimal() and int(asked) else processors


def in_threads(function: Callable[[slice], Any], count: int, *, pays: bool = True) -> list:
    """Return what function(slice) returns for parts of range(count), one a thread; for all of it unless that pays."""
    if not pays or threads() == 1:
        return [function(slice(0, count))]
    ends = np.linspace(0, count, threads() + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(function, map(slice, ends[:-1], ends[1:])))


def free_memory() -> int:
    """Return how many bytes of memory are free, or 4 GiB where the system does not say."""
    with contextlib.suppress(OSError, IndexError, ValueError):  # Linux also counts the caches that it would empty
        return 1024 * int(Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1].split()[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 1 << 32


def accelerator(asked: str | None) -> Any:
    """Return the device of torch to compute distances on, or None for the CPU, which needs no torch.

    asked: a device, or None for the GPU where torch and a driver are there.  Raises InputError as `device_of` does, and
    where torch is not installed.
    """
    if asked == "cpu" or (asked is None and not (_gpu_in_use() or _driver())):
        return None
    try:
        import torch  # takes seconds
    except ImportError as error:
        if asked is None:
            return None
        raise InputError(
            f"device {asked!r}: it takes torch, which is not here ({first_line(error)}); pip install torch, or leave "
            "it out to use the CPU"
        ) from error
    device = device_of(torch, asked, kind="float64")  # in which logarithms are summed
    return None if device.type == "cpu" else device


def _gpu_in_use():
    """Return whether torch was imported already and sees a GPU."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_available()


def _driver():
    """Return whether there may be a GPU: NVIDIA's or AMD's driver.  Nothing else is imported or started to know it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    for name in ("nvcuda.dll",) if os.name == "nt" else ("libcuda.so.1", "libamdhip64.so"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def device_of(torch: ModuleType, asked: str | None, *, kind: str = "float32") -> Any:
    """Return the device of torch that was asked for, by default CUDA where there is a GPU, after computing on it.

    kind: of the numbers that it has to know.  Raises InputError where there is no such device, where torch was built
    without it, or where it computes nothing (`meta`).
    """
    found = None
    try:
        found = torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.ones(2, dtype=getattr(torch, kind), device=found).sum().item()
        return found
    except Exception as error:  # RuntimeError, AssertionError, NotImplementedError, ...: as many as there are devices
        reason = first_line(error)
    if found is not None and found.type == "cuda" and not torch.cuda.is_available():
        reason = "no CUDA GPU is visible to torch"
    raise InputError(
        f"device {asked or str(found)!r}: {reason.partition('. ')[0][:200]}; leave it out to use the {_default(torch)}"
    )


def _default(torch):
    return "GPU" if torch.cuda.is_available() else "CPU"


def valid_name(name: object, what: str) -> str:
    """Return `name` if it can be part of a path (letters, digits, `_`, `.`, `-`); raise InputError otherwise."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", str(name)):
        raise InputError(f"{what} {str(name)!r}: only letters, digits, '_', '.' and '-' can be part of a path")
    return str(name)


def versions(*packages: str) -> dict[str, str]:
    """Return {package: version} of those that are installed, by default of all that predictions depend on."""
    installed = {package: _version(package) for package in packages or PACKAGES}
    return {package: version for package, version in installed.items() if version is not None}


@functools.cache
def _version(package):
    """Return the version of a package, looked up once in a process, which imports no other one, or None."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None
