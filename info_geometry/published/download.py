"""Downloads over HTTP that go on where they stopped, and appear under their name when they are whole and accepted.

What has come so far lies beside its place as `.<name>.part`, and `.<name>.part.json` says what it is the beginning of:
the URL, the mark by which the server tells versions apart (ETag or date), size and SHA-256 as far as they were stated.
Temporary files of `files.atomic_path` go with their process, and `files.remove_orphans` clears away what a killed one
left; a part is to outlive its process, hence another name.  It is on the disk (fsync) before it is renamed.
"""

import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request

from tqdm import tqdm

from info_geometry.files import InputError, first_line, log, write_text, writing

TIMEOUT = 30  # seconds without an answer
PAUSES = (1, 2, 4, 8)  # seconds before another try, as long as nothing more comes
PASSING = {408, 429, 500, 502, 503, 504}  # answers of a server that may give another one soon
BLOCK = 1 << 20


def download(url, path, sizes, accept, *, room=0):
    """Download `url` to `path` and return its SHA-256; what came before, if only to a process that died, stays.

    sizes: the least and the most bytes it may have.  accept(file, sha256): called with all of it before it appears
    under its name; refuses it by raising InputError.  room: bytes of disk that are needed beside it.

    Raises InputError where it cannot be had (what came is kept), is not what was expected, or was refused (it is
    removed), and where the disk has no room for it.
    """
    part = _Part(url, path)
    reached, failures = part.came, 0
    while not part.complete:
        try:
            _receive(part, sizes, room)
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(part, error)
            failures = 1 if part.came > reached else failures + 1  # what comes a second time is no progress
            reached = max(reached, part.came)
            if failures > len(PAUSES):
                kept = f" {part.came / 1e6:.1f} MB of it are in {part.file}." if part.came else ""
                raise InputError(
                    f"{url} cannot be downloaded: {reason}.{kept} See that the network is there, and the "
                    "same command goes on"
                ) from None
            log.info("%s: %s; trying again", path.name, reason)
            time.sleep(PAUSES[failures - 1])
    try:
        found, stated = digest(part.file), part.state["sha256"]
        if stated not in (None, found):
            raise InputError(
                f"{url}: what came has SHA-256 {found}, but the server says {stated}; run the same command again"
            )
        accept(part.file, found)
    except InputError:
        part.discard()
        raise
    with writing(path):  # not atomic_path, whose temporary file would be lost with a process that is killed now
        os.replace(part.file, path)
    part.discard()
    return found


def digest(path, kind="sha256"):
    """Return a digest of a file in hexadecimal digits."""
    found = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


class _Part:
    """What has come of a file.

    state: dict of url, mark, size, sha256, or empty if what lies there is of no use.
    """

    def __init__(self, url, path):
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
    def came(self):
        """Number of bytes that are there."""
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def start(self):
        """Number of bytes that need not be sent again: none where versions cannot be told apart."""
        return self.came if self.state.get("mark") else 0

    @property
    def complete(self):
        """Whether nothing is missing."""
        return bool(self.state) and self.came == self.state["size"]

    def begin(self, **state):
        """Forget what came, and note what is to come: mark, size, sha256."""
        with writing(self.path):
            self.file.unlink(missing_ok=True)
        self.state = {"url": self.url, **state}
        write_text(self.note, json.dumps(self.state))

    def discard(self):
        """Remove everything."""
        self.state = {}
        with writing(self.path):
            self.file.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, and keeps the SHA-256 that the Hugging Face Hub states where it redirects."""

    sha256 = None

    def redirect_request(self, request, file, code, message, headers, url):
        stated = headers.get("X-Linked-ETag", "").strip('"').lower()
        self.sha256 = stated if re.fullmatch("[0-9a-f]{64}", stated) else self.sha256
        return super().redirect_request(request, file, code, message, headers, url)


def _receive(part, sizes, room):
    """Ask for what is missing and append it; raises OSError or HTTPException where it does not come."""
    headers, redirects = {"User-Agent": "info_geometry"}, _Redirects()
    if part.start:
        headers |= {"Range": f"bytes={part.start}-", "If-Range": part.state["mark"]}
    request = urllib.request.Request(part.url, headers=headers)
    with urllib.request.build_opener(redirects).open(request, timeout=TIMEOUT) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise InputError(
                f"{part.url}: the server answers with a web page, expected data: the network asks for a "
                "login, or the file has moved. Open the address in a browser"
            )
        size = _place(part, answer, redirects.sha256)
        if size is not None and not sizes[0] <= size <= sizes[1]:
            part.discard()
            raise InputError(
                f"{part.url}: the server announces {size} bytes, expected {_range(sizes)}: it is not the "
                "file that was published, or has moved. Open the address in a browser"
            )
        needed, free = (size or sizes[1]) - part.came + room, shutil.disk_usage(part.path.parent).free
        if free < needed:
            raise InputError(
                f"{part.path}: {needed / 1e9:.2f} GB of disk are needed, {free / 1e9:.2f} GB are free; "
                "make room, or take a folder on another disk"
            )
        _append(part, answer, size, sizes)
    if size is None and part.came >= sizes[0]:  # the server never said how much there is, and ended
        part.state["size"] = part.came
        write_text(part.note, json.dumps(part.state))
    elif part.came != size:
        raise OSError(f"the connection ended after {part.came} of {size or 'an unknown number of'} bytes")


def _place(part, answer, sha256):
    """Make the part what the answer goes on from; return the size of the whole file, or None if that is not said."""
    tag = answer.headers.get("ETag", "")
    mark = tag if tag.startswith('"') else answer.headers.get("Last-Modified")  # weak tags (W/) promise too little
    if answer.status != 206:
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        part.begin(mark=mark, size=size, sha256=sha256)
        return size
    place = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    first, size = map(int, place.groups()) if place else (None, None)
    known = part.state.get("mark"), part.state.get("size") or size
    if first != part.start or (mark or known[0], size) != known:
        part.discard()
        raise OSError("the server sent a part of something else; starting again")
    return size


def _append(part, answer, size, sizes):
    """Append the body of an answer, every block as it comes, so that a kill loses nothing."""
    with writing(part.path):
        file = open(part.file, "ab", buffering=0)  # noqa: SIM115
    with (
        file,
        tqdm(
            total=size, initial=part.came, desc=part.path.name, unit="B", unit_scale=True, leave=False, disable=None
        ) as bar,
    ):
        while block := answer.read1(BLOCK):
            rest = memoryview(block)
            with writing(part.path):
                while rest:
                    rest = rest[file.write(rest) :]
            bar.update(len(block))
            if file.tell() > sizes[1]:
                part.discard()
                raise InputError(f"{part.url}: more came than {_range(sizes)}; it is not the file that was published")
        with writing(part.path):
            os.fsync(file.fileno())


def _reason(part, error):
    """Return in words why nothing more came; raise InputError where another try would not help."""
    if not isinstance(error, urllib.error.HTTPError):
        return first_line(getattr(error, "reason", error))
    error.close()
    if error.code == 416:  # there is no such part: what came is of something else
        part.discard()
    elif error.code not in PASSING:
        raise InputError(
            f"{part.url}: the server answers {error.code} ({error.reason}): the file is not there any "
            "more, or not public. Look for it on the pages of its authors"
        ) from None
    return f"the server answers {error.code} ({error.reason})"


def _range(sizes):
    return f"{sizes[0]} bytes" if sizes[0] == sizes[1] else f"{sizes[0]} to {sizes[1]} bytes"
