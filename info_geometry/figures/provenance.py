"""Where a figure comes from: what every figure file says about the command, the version and the inputs that made it.

What a figure shows depends on the inputs and on two parts of this package: what computes numbers, and what draws them.
`digests` tells them apart, so that a change in a figure does not have distances computed again.
"""

import contextlib
import contextvars
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path

from info_geometry.files import ROOT, versions

PACKAGE = Path(__file__).parents[1]
DRAWS = "figures"  # the folder of what draws numbers and computes none
LIBRARIES = "torch", "torchvision", "numpy", "h5py"
FETCHES = "published"  # the folder of what downloads files: nothing that is computed depends on it

_current = contextvars.ContextVar("provenance", default=None)


@contextlib.contextmanager
def of(inputs: list):
    """While the block runs, figures carry the command line of this process and a fingerprint of `inputs`, any JSON."""
    digest = hashlib.sha256(json.dumps(inputs, default=str, sort_keys=True).encode()).hexdigest()
    token = _current.set({"command": command_line(), "inputs": f"sha256:{digest[:16]}"})
    try:
        yield
    finally:
        _current.reset(token)


def current() -> dict:
    """Return {"version": ..., and inside `of` "command": ..., "inputs": ...}, all texts."""
    return {"version": version(), **(_current.get() or {})}


def command_line() -> str:
    """Return the command line of this process as it can be given again in the root of the repository.

    Bytes of file names that are not UTF-8 are shown as `\\xe9`: no figure file can hold them.
    """
    script = Path(sys.argv[0]).resolve()
    if script.is_relative_to(ROOT):
        script = script.relative_to(ROOT)
    line = shlex.join(["python", str(script), *sys.argv[1:]])
    return os.fsencode(line).decode("utf-8", "backslashreplace")


@functools.cache
def version() -> str:
    """Return the name and version of this package, and a digest of its source, which tells revisions apart."""
    try:
        number = importlib.metadata.version("picture-of-tasks")
    except importlib.metadata.PackageNotFoundError:  # run from a clone that was not installed
        number = "not installed"
    return f"picture-of-tasks {number} (source {hashlib.sha256(''.join(digests()).encode()).hexdigest()[:8]})"


def made_with() -> str:
    """Return the version of this package, of Python and of the libraries that results depend on."""
    known = versions()
    libraries = [f"{name} {known[name]}" for name in LIBRARIES if name in known]
    return ", ".join([f"{version()}; Python {platform.python_version()}", *libraries])


@functools.cache
def digests(package: Path = PACKAGE) -> tuple[str, str]:
    """Return digests of the source that computes numbers and of the source that draws them, subfolders included.

    What draws is the folder `figures`.  All else computes, commands too, which choose what is computed; but for the
    folder `published`, on which nothing depends.
    """
    computes, draws = hashlib.sha256(), hashlib.sha256()
    for path in sorted(package.rglob("*")):
        place = path.relative_to(package)
        if path.suffix in (".py", ".html") and place.parts[0] != FETCHES:
            digest = draws if place.parts[0] == DRAWS else computes
            digest.update(f"{place.as_posix()} {path.stat().st_size}\n".encode() + path.read_bytes())
    return computes.hexdigest(), draws.hexdigest()
