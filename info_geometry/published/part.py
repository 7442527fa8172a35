"""A file of which only a part has come so far, and the note beside it that says what it is the beginning of.

What has come lies beside the file's place as `.<name>.part`, and `.<name>.part.json` says: the URL, the mark by which
the server tells versions apart (ETag or date), size and SHA-256 as far as they were stated.  Temporary files of
`files.atomic_path` go with their process, and `files.remove_orphans` clears away what a killed one left; a part is to
outlive its process, hence another name.
"""

import json
import os
from pathlib import Path

from info_geometry.files import write_text, writing


class Part:
    """What has come of a file from a URL.

    path: of the whole file.  file, note: of what has come, and of what that is.
    state: dict of url, mark, size, sha256, or empty if what lies there is of no use.
    """

    def __init__(self, url: str, path: Path):
        """Find what came earlier; what is the beginning of something else is removed."""
        self.url, self.path = url, path
        self.file, self.note = (path.with_name(f".{path.name}.part{end}") for end in ("", ".json"))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.state = json.loads(self.note.read_text(encoding="utf-8"))
            if set(self.state) != {"url", "mark", "size", "sha256"} or self.state["url"] != url:
                raise ValueError("the beginning of something else")
        except (OSError, ValueError, TypeError):
            self.discard()

    @property
    def came(self) -> int:
        """Number of bytes that are there."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def start(self) -> int:
        """Number of bytes that need not be sent again: none where versions cannot be told apart."""
        return self.came if self.state.get("mark") else 0

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.state) and self.came == self.state["size"]

    def begin(self, *, mark: str | None, size: int | None, sha256: str | None) -> None:
        """Forget what came, and note what is to come."""
        with writing(self.path):
            self.file.unlink(missing_ok=True)
        self.state = {"url": self.url, "mark": mark, "size": size, "sha256": sha256}
        write_text(self.note, json.dumps(self.state))

    def end(self) -> None:
        """Note that what came is all there is."""
        self.state["size"] = self.came
        write_text(self.note, json.dumps(self.state))

    def publish(self) -> None:
        """Give what came the name of the whole file."""
        with writing(
            self.path
        ):  # not atomic_path, whose temporary file would be lost with a process that is killed now
            os.replace(self.file, self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what came, and the note."""
        self.state = {}
        with writing(self.path):
            self.file.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)
