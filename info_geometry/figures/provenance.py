"""Where a figure comes from: what every figure file says about the command, the version and the inputs that made it."""

import contextlib
import contextvars
import functools
import hashlib
import importlib.metadata
import json
import shlex
import sys
from pathlib import Path

from info_geometry.files import ROOT

_current = contextvars.ContextVar("provenance", default=None)


@contextlib.contextmanager
def of(inputs):
    """While the block runs, figures carry the command line of this process and a fingerprint of `inputs`, any JSON."""
    digest = hashlib.sha256(json.dumps(inputs, default=str, sort_keys=True).encode()).hexdigest()
    token = _current.set({"command": command_line(), "inputs": f"sha256:{digest[:16]}"})
    try:
        yield
    finally:
        _current.reset(token)


def current():
    """Return {"version": ..., and inside `of` "command": ..., "inputs": ...}, all texts."""
    return {"version": version(), **(_current.get() or {})}


def command_line():
    """Return the command line of this process as it can be given again in the root of the repository."""
    script = Path(sys.argv[0]).resolve()
    if script.is_relative_to(ROOT):
        script = script.relative_to(ROOT)
    return shlex.join(["python", str(script), *sys.argv[1:]])


@functools.cache
def version():
    """Return the name and version of this package, and a digest of its source, which tells revisions apart."""
    try:
        number = importlib.metadata.version("picture-of-tasks")
    except importlib.metadata.PackageNotFoundError:  # run from a clone that was not installed
        number = "not installed"
    return f"picture-of-tasks {number} (source {source()[:8]})"


@functools.cache
def source():
    """Return a digest of this package's source (str)."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*")):
        if path.suffix in (".py", ".html"):
            digest.update(path.read_bytes())
    return digest.hexdigest()
