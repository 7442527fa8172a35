"""Run all benchmarks of the geometry and keep their tables.

    python benchmarks/report.py [--quick] [--gpu]         5 minutes on two CPU cores (make benchmark)

Prints Markdown and writes benchmarks/results/<processor>.md, with the versions of what was measured.
"""

import argparse
import datetime
import importlib.metadata
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import commands
import distances
import embedding
import precision
import progress
import storage

from info_geometry.files import ROOT, InputError, command, threads, write_text

PACKAGES = ("torch", "numpy", "scipy", "numba", "h5py", "hdf5plugin", "triton")
QUICK = {"A": (20, 100, 20), "B": (40, 80, 10)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all of it runs; nothing is kept")
    parser.add_argument("--gpu", action="store_true", help="the CUDA part instead")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="default: %(default)s")
    options = parser.parse_args(argv)
    quick = options.quick
    parts = (
        {
            "Distances of all pairs, from files": lambda: distances.tables(QUICK, 1) if quick else distances.tables(),
            "Precision": precision.tables,
            "Whole commands": lambda: commands.tables(1 if quick else 3),
            "Progress": lambda: progress.tables(quick),
            "Embedding": lambda: embedding.tables(quick),
            "Storage": lambda: storage.tables(quick),
        }
        if not options.gpu
        else {"CUDA": lambda: output("gpu.py", *(["--small"] if quick else []))}
    )
    started, text = time.perf_counter(), [f"# Benchmarks: {machine(options.gpu)}\n\n{versions()}"]
    print(text[0], flush=True)
    for title, part in parts.items():
        text.append(f"## {title}\n\n{part()}")
        print(f"\n{text[-1]}", flush=True)
    text.append(f"All of it took {(time.perf_counter() - started) / 60:.1f} minutes.")
    print(f"\n{text[-1]}")
    if not quick:
        name = re.sub(r"[^a-z0-9]+", "-", machine(options.gpu).lower()).strip("-")
        write_text(options.results / f"{name}.md", "\n\n".join(text) + "\n")
        print(f"  {options.results / f'{name}.md'}")


def output(script, *arguments):
    """Return what a benchmark prints."""
    found = subprocess.run([sys.executable, ROOT / "benchmarks" / script, *arguments], capture_output=True, text=True)
    if found.returncode:
        raise InputError(f"benchmarks/{script} failed: {found.stderr.strip()[-500:]}")
    return found.stdout.strip()


def machine(gpu):
    """Return what the figures were measured on, without its name."""
    if gpu:
        import torch

        if not torch.cuda.is_available():
            raise InputError("no CUDA GPU is visible to torch: make benchmark is for the CPU")
        return torch.cuda.get_device_name()
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        name = found.group(1) if found else platform.machine()
    except OSError:
        name = platform.processor() or platform.machine()
    return f"{name}, {threads()} cores"


def versions():
    """Return the date, the versions of the packages that matter, and that of the project."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {package}")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    revision = f", revision {commit.stdout.strip()}" if commit.returncode == 0 else ""
    return f"`{' '.join(['make benchmark', *sys.argv[1:]])}` on {datetime.date.today()}{revision}: {', '.join(found)}."


if __name__ == "__main__":
    command(main)
