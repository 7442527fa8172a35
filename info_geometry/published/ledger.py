"""The ledger of downloads: `downloads.json` keeps the SHA-256 that a file had first; another one is refused later."""

import datetime
import json
from pathlib import Path

from info_geometry.files import InputError, first_line, write_text

NAME = "downloads.json"


def enter(folder: Path, file: Path, url: str, sha256: str) -> None:
    """Note where a downloaded file came from and what it held, unless an earlier download of it is noted."""
    entries = _entries(folder)
    if file.name not in entries:
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        entries[file.name] = {"url": url, "bytes": file.stat().st_size, "sha256": sha256, "date": today}
        write_text(folder / NAME, json.dumps(entries, indent=4) + "\n")


def check(folder: Path, file: Path, sha256: str, known: str | None) -> None:
    """Raise InputError unless a download has the known SHA-256 or, where that is None, that of the first download."""
    earlier = _entries(folder).get(file.name)
    expected, by, advice = known, "this program", ""
    if known is None:
        expected, by = earlier and earlier["sha256"], folder / NAME
        advice = f"; to take the other version, delete {by} and what was stored of the first one"
    if expected not in (None, sha256):
        raise InputError(
            f"{file} has SHA-256 {sha256}, expected {expected} according to {by}: it is damaged, or another "
            f"version has been published. Delete it if it is there and fetch again{advice}"
        )


def _entries(folder):
    """Return {name of the file: {url, bytes, sha256, date}}; raise InputError where the ledger is damaged."""
    path = folder / NAME
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(entry["sha256"], str) for entry in entries.values()):
            raise ValueError("an entry has no sha256")
        return entries
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a record of downloads ({first_line(error)}); delete it") from None
