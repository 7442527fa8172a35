"""Do a thing once: results that are there already, of the same inputs and the same program, are not made again."""

import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from info_geometry.figures import provenance, style
from info_geometry.files import atomic_path, lock, remove_orphans, write_text

KEPT_BYTES = 1 << 27  # of arrays that are kept to be drawn again: the distances of 4,000 models


def once(stamp: Path, inputs: list, produce: Callable, *, redo: bool = False) -> None:
    """Call produce() -> (report, written paths), unless it was called for the same inputs and all it wrote is there.

    What is there has to be what was written: another command may have overwritten it.

    stamp: the path of a small file that remembers this.  inputs: a list JSON can hold; the first entry says what the
    data are, and figures carry its fingerprint.  Prints the report and the paths either way.
    """
    key = json.dumps([inputs, provenance.digests()], default=str)
    with lock(stamp.parent / ".lock", f"the picture in {stamp.parent}", wait=True):
        remove_orphans(stamp.parent)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            done = json.loads(stamp.read_text(encoding="utf-8"))
            same = not redo and done["key"] == key
            if same and all(digest(Path(path)) == known for path, known in done["written"].items()):
                _print(done["report"], done["written"])
                print("skipped (already complete; --redo computes it again)", flush=True)
                return
        with provenance.of(inputs[0]), style.kept_looks(stamp.parent.parent / ".looks.json"):
            report, written = produce()
        written = {str(path): digest(path) for path in written}
        write_text(stamp, json.dumps({"key": key, "report": report, "written": written}))
    _print(report, written)


class Kept:
    """Arrays that were computed, kept to be drawn again as long as inputs and what computes them are the same.

    path: of the file.  inputs: a list JSON can hold.  What draws may change (`provenance.digests`).
    """

    def __init__(self, path: Path, inputs: list) -> None:
        self._path, self._key = path, json.dumps([inputs, provenance.digests()[0]], default=str)

    def write(self, target: Path, arrays: dict) -> None:
        """Keep arrays that belong to a file, `target`, unless they are too large."""
        self._path.unlink(missing_ok=True)
        if sum(array.nbytes for array in arrays.values()) <= KEPT_BYTES:
            with atomic_path(self._path) as temporary, open(temporary, "wb") as file:
                np.savez(file, key=self._key, target=digest(target), **arrays)

    def read(self, target: Path) -> dict | None:
        """Return the arrays that were kept, or None where they or `target` are others; nothing executable is loaded."""
        try:
            with np.load(self._path, allow_pickle=False) as file:
                if str(file["key"]) == self._key and str(file["target"]) == digest(target):
                    return {name: file[name] for name in file.files if name not in ("key", "target")}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            pass  # not there, or damaged: it is computed again
        return None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _print(report, written):
    print(report)
    for path in written:  # as short as it can be copied into the next command
        print("  " + min(path, os.path.relpath(path), key=len), flush=True)
