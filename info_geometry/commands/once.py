"""Do a thing once: results that are there already, of the same inputs, are not made again."""

import contextlib
import json
import os
from pathlib import Path

from info_geometry.figures import provenance
from info_geometry.files import lock, remove_orphans, write_text


def once(stamp, inputs, produce, *, redo=False):
    """Call produce() -> (report, written paths), unless it was called for the same inputs and all it wrote is there.

    stamp: the path of a small file that remembers this.  inputs: a list JSON can hold; the first entry says what the
    data are, and figures carry its fingerprint.  Prints the report and the paths either way.
    """
    key = json.dumps([inputs, provenance.source()], default=str)
    with lock(stamp.parent / ".lock", f"the picture in {stamp.parent}", wait=True):
        remove_orphans(stamp.parent)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            done = json.loads(stamp.read_text(encoding="utf-8"))
            if not redo and done["key"] == key and all(Path(path).exists() for path in done["written"]):
                _print(done["report"], done["written"])
                print("skipped (already complete; --redo computes it again)", flush=True)
                return
        with provenance.of(inputs[0]):
            report, written = produce()
        written = [str(path) for path in written]
        write_text(stamp, json.dumps({"key": key, "report": report, "written": written}))
    _print(report, written)


def _print(report, written):
    print(report)
    for path in written:  # as short as it can be copied into the next command
        print("  " + min(path, os.path.relpath(path), key=len), flush=True)
