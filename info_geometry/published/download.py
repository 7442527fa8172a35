"""Downloads over HTTP that go on where they stopped, and appear under their name when they are whole and accepted.

What has come so far is kept by `part`, and is on the disk (fsync) before it gets the name of the whole file.
"""

import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from info_geometry.files import InputError, first_line, log, writing
from info_geometry.published.part import Part

TIMEOUT = 30  # seconds without an answer
PAUSES = (1, 2, 4, 8)  # seconds before another try, as long as nothing more comes
PASSING = {408, 429, 500, 502, 503, 504}  # answers of a server that may give another one soon
BLOCK = 1 << 20


def download(
    url: str, path: Path, sizes: tuple[int, int], accept: Callable[[Path, str], None], *, room: int = 0
) -> str:
    """Download `url` to `path` and return its SHA-256; what came earlier, if only to a process that died, is used.

    sizes: the least and the most bytes it may have.  accept(file, sha256): called with the whole file before it
    appears under its name; refuses it by raising InputError.  room: bytes of disk that are needed beside it.

    Raises InputError where it cannot be had (what came is kept), is not what was expected, or was refused (it is
    removed), and where the disk has no room for it.
    """
    part = Part(url, path)
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
        sha256, stated = digest(part.file), part.state["sha256"]
        if stated not in (None, sha256):
            raise InputError(
                f"{url}: what came has SHA-256 {sha256}, but the server says {stated}; run the same command again"
            )
        accept(part.file, sha256)
    except InputError:
        part.discard()
        raise
    part.publish()
    return sha256


def digest(path: Path, kind: str = "sha256") -> str:
    """Return a digest of a file in hexadecimal digits."""
    content = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            content.update(block)
    return content.hexdigest()


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
        size = _align(part, answer, redirects.sha256)
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
        part.end()
    elif part.came != size:
        raise OSError(f"the connection ended after {part.came} of {size or 'an unknown number of'} bytes")


def _align(part, answer, sha256):
    """Make the part end where the answer begins; return the size of the whole file, or None if that is not said."""
    tag = answer.headers.get("ETag", "")
    mark = tag if tag.startswith('"') else answer.headers.get("Last-Modified")  # weak tags (W/) promise too little
    if answer.status != 206:
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        part.begin(mark=mark, size=size, sha256=sha256)
        return size
    sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    first, size = map(int, sent.groups()) if sent else (None, None)
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
