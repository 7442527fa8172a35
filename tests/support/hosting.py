"""A server that answers in any manner, and what the authors would host on it: arrays, and an archive with labels."""

import contextlib
import hashlib
import http.server
import io
import struct
import tarfile
import threading

import numpy as np

from tests.support.synthetic import labels_of, training

SHAPE = SEEDS, T, N, C = 3, 4, 300, 5
TRUTH = labels_of(N, C)
BODY = np.random.default_rng(0).bytes(1_000_000)
MEMBER = "cifar-100-python/train"


class Server(http.server.ThreadingHTTPServer):
    """Serves `contents` {address: bytes}, each answer in the next manner of `plan`, the last ones whole.

    asked: [(address, Range, bytes of the body that were sent)] of the requests so far.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents, self.plan, self.asked, self.waiting = {}, [], [], threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Say nothing of clients that leave."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, range_, if_range = self.server, self.headers["Range"], self.headers["If-Range"]
        manner, _, number = (server.plan.pop(0) if server.plan else "whole").partition(":")
        number, body, answer = int(number or 0), server.contents.get(self.path), []
        server.asked.append(asked := [self.path, range_, 0])
        if manner == "hang":
            server.waiting.wait(20)
            return
        if manner == "redirect":
            self._head(
                302, {"Location": server.address + self.path, "X-Linked-ETag": f'"{hashlib.sha256(body).hexdigest()}"'}
            )
            return
        if manner == "status" or body is None:
            self._head(number or 404, {"Content-Length": "0"})
            return
        if manner == "html":
            page = b"<html>log in</html>"
            self._head(200, {"Content-Type": "text/html", "Content-Length": str(len(page))})
            self.wfile.write(page)
            return
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        answer = {} if manner == "untagged" else {"ETag": tag}
        honoured = range_ and manner not in ("norange", "untagged") and (if_range == tag or manner == "careless")
        start = int(range_[len("bytes=") : -1]) if honoured else 0
        if honoured and start >= len(body):
            self._head(416, {"Content-Length": "0"})
            return
        if honoured:
            answer["Content-Range"] = f"bytes {start + (manner == 'shift')}-{len(body) - 1}/{len(body)}"
        length = len(body) - start + (number if manner == "lie" else 0)
        if manner != "nolength":
            answer["Content-Length"] = str(length)
        self._head(206 if honoured else 200, answer)
        end = start + number if manner in ("cut", "stall", "norange", "untagged") and number else len(body)
        for i in range(start, min(end, start + length), 1 << 16):
            block = body[i : min(i + (1 << 16), end, start + length)]
            asked[2] += len(block)  # before the client can have it
            self.wfile.write(block)
            if manner == "slow":
                server.waiting.wait(0.1)
        if manner == "stall":
            server.waiting.wait(20)
        self.close_connection = True

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments):
        """Say nothing."""


@contextlib.contextmanager
def serving():
    """Yield a server that runs while the block does."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield server
        finally:
            server.waiting.set()
            server.shutdown()


def models(task=0):
    """Return probabilities (seeds, T, N, C) of a task in float32."""
    direction = np.random.default_rng(task).standard_normal((N, C))
    return np.stack(
        [training(np.random.default_rng([task, seed]), TRUTH, C, T, direction=direction) for seed in range(SEEDS)]
    ).astype(np.float32)


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def spoilt(index, value):
    array = models()
    array[index] = value
    return npy(array)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def text(value):
    """Return a string as the pickles of Python 2 hold it."""
    return b"T" + struct.pack("<i", len(value)) + value


def pickled(labels):
    """Return a pickle as Python 2 wrote those of CIFAR-100: texts are bytes, an array is rebuilt by numpy."""
    pixels = np.arange(12, dtype=np.uint8)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"\x87R(K\x01K"
        + bytes([len(pixels)])
        + b"\x85cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + text(pixels.tobytes())
        + b"tb"
    )
    numbers = b"](" + b"".join(b"J" + struct.pack("<i", x) for x in labels) + b"e"
    return b"\x80\x02}(" + text(b"fine_labels") + numbers + text(b"data") + array + b"u."


def archived(content, name=MEMBER, kind=tarfile.REGTYPE):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for entry, body in (("cifar-100-python/file.txt~", b""), (name, content)):
            info = tarfile.TarInfo(entry)
            info.size = len(body)
            if entry == name and kind != tarfile.REGTYPE:
                info.type, info.linkname, info.size = kind, "/etc/hostname", 0
            archive.addfile(info, io.BytesIO(body))
    return file.getvalue()


ARCHIVE = archived(pickled([*TRUTH, *range(C)]))
