"""Fetching what others host: whatever server, network, disk or process do, what is stored in the end is sound."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from info_geometry import distance, files, inpca, predictions
from info_geometry.commands import arguments as shared
from info_geometry.files import ROOT, InputError
from info_geometry.published import download as downloads
from info_geometry.published import fetch as fetching
from info_geometry.published import hosted
from info_geometry.published.download import digest, download
from info_geometry.published.fetch import fetch
from info_geometry.storage import recorder, runs
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


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "PAUSES", (0, 0))
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.waiting.set()
        server.shutdown()


def nothing_wrong(*_):
    """Accept whatever came."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- downloads ------------------------------------------------------------------------------------------------------


@pytest.fixture
def get(server, tmp_path):
    """Return a function that downloads BODY, the server answering in the manners given one after the other."""
    server.contents["/body"] = BODY

    def get(*plan, sizes=(1_000_000, 1_000_000), accept=nothing_wrong, **options):
        server.plan[:] = plan
        return download(server.address + "/body", tmp_path / "new" / "body.bin", sizes, accept, **options)

    get.path, get.part = tmp_path / "new" / "body.bin", tmp_path / "new" / ".body.bin.part"
    return get


def complete(get):
    """Assert that BODY is there and nothing else."""
    assert get.path.read_bytes() == BODY and names(get.path.parent) == [get.path.name]


def sent(server):
    return [count for _, _, count in server.asked]


def test_whole(get, server):
    assert get() == hashlib.sha256(BODY).hexdigest()
    complete(get)
    assert sent(server) == [len(BODY)]


def test_cut_connections_go_on_where_they_were(get, server):
    get("cut:300000", "cut:1", "status:503", "cut:400000")
    complete(get)
    assert sum(sent(server)) == len(BODY)
    assert [asked[1] for asked in server.asked] == [None, *(f"bytes={i}-" for i in (300000, 300001, 300001, 700001))]


@pytest.mark.parametrize("manner", ["norange", "untagged"])
def test_servers_without_parts_start_again(get, server, manner):
    get("cut:300000", manner)
    complete(get)
    assert sent(server) == [300000, len(BODY)]


def test_servers_that_never_get_further_are_given_up(get, server):
    with pytest.raises(InputError, match="the connection ended after 300000 of 1000000 bytes"):
        get(*["norange:300000"] * 20)
    assert len(server.asked) <= 4


def test_any_number_of_cuts_that_bring_something(get, server):
    get(*["cut:50000"] * 30)
    complete(get)
    assert sum(sent(server)) == len(BODY)


@pytest.mark.parametrize("manner", ["whole", "careless", "shift"])
def test_a_file_that_changes_between_two_tries_is_never_mixed(get, server, manner):
    with pytest.raises(InputError):
        get("cut:300000", *["status:500"] * 5)
    assert get.part.stat().st_size == 300000
    changed = np.random.default_rng(1).bytes(len(BODY))
    server.contents["/body"] = changed
    assert get(manner) == hashlib.sha256(changed).hexdigest()
    assert get.path.read_bytes() == changed and names(get.path.parent) == [get.path.name]


@pytest.mark.parametrize("change", ["other url", "no note", "damaged note", "too long", "empty"])
def test_beginnings_of_something_else_are_not_used(get, server, change):
    with pytest.raises(InputError):
        get("cut:300000", *["status:500"] * 5)
    note = get.part.with_name(".body.bin.part.json")
    if change == "other url":
        note.write_text(note.read_text().replace("/body", "/other"))
    elif change == "no note":
        note.unlink()
    elif change == "damaged note":
        note.write_text('{"url":')
    else:
        get.part.write_bytes(b"" if change == "empty" else BODY + b"more")
    get()
    complete(get)


def test_what_is_complete_is_not_asked_for(get, server):
    def killed(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(accept=killed)
    assert get.part.stat().st_size == len(BODY) and not get.path.exists()
    get()
    complete(get)
    assert len(server.asked) == 1


def test_answer_416(get, server):
    get("cut:300000", "status:416")
    complete(get)
    assert sent(server) == [300000, 0, len(BODY)]


@pytest.mark.parametrize(
    "plan, message",
    [
        (["status:404"], "answers 404 .*not there any more"),
        (["status:401"], "answers 401 "),
        (["status:500"] * 9, "cannot be downloaded: the server answers 500 .*same command goes on"),
        (["html"], "a web page, expected data"),
        (["lie:5000"], "announces 1005000 bytes, expected 1000000 bytes"),
        (["lie:-5000"], "announces 995000 bytes, expected 1000000 bytes"),
    ],
)
def test_answers_that_are_of_no_use(get, server, plan, message):
    with pytest.raises(InputError, match=message) as raised:
        get(*plan)
    assert server.address + "/body" in str(raised.value) and not get.path.exists()
    assert len(server.asked) == min(len(plan), 3)


def test_server_that_announces_more_than_it_has(get, server):
    with pytest.raises(InputError, match=r"ended after 1000000 of 1000100 bytes|answers 416"):
        get(*["lie:100"] * 9, sizes=(10**6, 10**6 + 200))
    assert not get.path.exists()


def test_server_that_announces_less_than_it_has(get):
    with pytest.raises(InputError, match="announces 999900 bytes"):
        get("lie:-100")
    assert get("lie:-100", sizes=(999000, 10**6)) == hashlib.sha256(BODY[:-100]).hexdigest()


def test_server_that_announces_nothing(get, server):
    get("nolength")
    complete(get)
    get.path.unlink()
    with pytest.raises(InputError, match="more came than 500000 to 600000 bytes"):
        get("nolength", sizes=(500000, 600000))
    with pytest.raises(InputError, match="ended after 1000000 of an unknown number of bytes"):
        get(*["nolength"] * 9, sizes=(2000000, 2000000))


def test_hanging_server(get, server, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.2)
    monkeypatch.setattr(downloads, "PAUSES", (0,) * 20)  # a busy machine may let good answers time out, too
    get("hang", "stall:300000", "hang")
    complete(get)
    assert ["/body", "bytes=300000-"] in [asked[:2] for asked in server.asked]
    get.path.unlink()
    monkeypatch.setattr(downloads, "PAUSES", (0,))
    with pytest.raises(InputError, match="timed out"):
        get(*["hang"] * 9)


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "PAUSES", (0,))
    for address in ("http://127.0.0.1:9/body", "http://no-such-host.invalid/body", "http://"):
        with pytest.raises(InputError, match=r"cannot be downloaded: .*network") as raised:
            download(address, tmp_path / "body.bin", (1, 2), nothing_wrong)
        assert address in str(raised.value)


def test_full_disk_is_seen_before(get, server, monkeypatch):
    usage = SimpleNamespace(free=len(BODY) + 99)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"body\.bin: 0\.00 GB of disk are needed, 0\.00 GB are free"):
        get(room=100)
    assert not get.path.exists()
    get(room=99)
    complete(get)


def test_disk_that_fills_up(tmp_path, server):
    server.contents["/body"] = BODY
    code = """
        import resource, sys
        from pathlib import Path
        from info_geometry.published.download import download
        from info_geometry.files import InputError
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            download(sys.argv[1], Path(sys.argv[2]), (10**6, 10**6), lambda *_: None)
        except InputError as error:
            print(error)
    """
    done = python(code, server.address + "/body", tmp_path / "body.bin").communicate()
    assert re.match(rf"cannot write {tmp_path}/body.bin: File too large .* GB free", done[0]), done
    assert not (tmp_path / "body.bin").exists() and len(server.asked) == 1


def test_what_is_refused_is_removed(get):
    def refuse(file, found):
        assert file.read_bytes() == BODY and found == hashlib.sha256(BODY).hexdigest()
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        get(accept=refuse)
    assert names(get.path.parent) == []


def test_digest_stated_by_the_hub(get, server):
    get("redirect", "cut:300000", "redirect")
    complete(get)
    assert sent(server) == [0, 300000, 0, 700000]
    get.path.unlink()
    with pytest.raises(InputError):
        get("redirect", "cut:300000", *["status:500"] * 5)
    get.part.write_bytes(bytes(300000))  # a disk that lost what it was given
    with pytest.raises(InputError, match="but the server says"):
        get("redirect")
    assert names(get.path.parent) == []


def python(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_killed_download_goes_on(get, server, end):
    code = """
        import sys
        from pathlib import Path
        from info_geometry import files
        from info_geometry.published.download import download
        files.command(lambda: download(sys.argv[1], Path(sys.argv[2]), (10**6, 10**6), lambda *_: None))
    """
    server.plan[:] = ["slow"]
    process = python(code, server.address + "/body", get.path)
    while not get.part.exists() or get.part.stat().st_size < 200000:
        time.sleep(0.01)
    process.send_signal(end)
    error = process.communicate()[1]
    assert process.returncode == (130 if end == signal.SIGINT else -9)
    assert "Traceback" not in error and (end == signal.SIGKILL or "interrupted: the same command goes on" in error)
    came = get.part.stat().st_size
    assert not get.path.exists() and 200000 <= came < len(BODY)
    get()
    complete(get)
    assert server.asked[-1] == ["/body", f"bytes={came}-", len(BODY) - came]


# --- what is fetched ------------------------------------------------------------------------------------------------


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


class World(SimpleNamespace):
    """What is hosted in a test: the server, `folder` for what is fetched, `data` for data sets that were downloaded."""

    def fetch(self, *plan, **options):
        self.server.plan[:] = plan
        return fetch("cifar100", self.folder, **options)

    def put(self, array=None, raw=None, task="taskA"):
        self.server.contents[f"/some/{task}_preds.npy"] = npy(array) if raw is None else raw

    def put_archive(self, raw):
        self.server.contents["/archive.tar.gz"] = raw
        labels = hosted.Labels(self.server.address + "/archive.tar.gz", len(raw), hashlib.md5(raw).hexdigest(), MEMBER)
        self.table["cifar100"] = self.table["cifar100"]._replace(labels=labels)

    def asked(self, ending):
        return [asked for asked in self.server.asked if asked[0].endswith(ending)]

    def paths(self):
        return [
            self.folder / f"cifar100_{task}" / f"preds_{seed}.h5"
            for task in ("taskA", "taskB")
            for seed in range(SEEDS)
        ]

    def refused(self, message, *plan, **options):
        """Assert that fetching is refused; return what the message is."""
        with pytest.raises(InputError, match=message) as raised:
            self.fetch(*plan, **options)
        return str(raised.value)


@pytest.fixture
def world(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address + "/")
    monkeypatch.setattr(fetching, "DATA", tmp_path / "data")
    monkeypatch.setattr(files.log, "handlers", [])
    table = dict(hosted.HOSTED)
    table["cifar100"] = hosted.Hosted(
        SHAPE,
        tuple(range(T)),
        "epoch",
        "train",
        {task: (f"some/{task}_preds.npy", None) for task in ("taskA", "taskB")},
        None,
    )
    monkeypatch.setattr(fetching, "HOSTED", table)
    world = World(server=server, folder=tmp_path / "predictions", data=tmp_path / "data", table=table)
    world.put_archive(ARCHIVE)
    for i, task in enumerate(("taskA", "taskB")):
        world.put(models(i), task=task)
    return world


def test_fetch(world, capsys):
    world.fetch()
    assert names(world.folder) == [".fetch.lock", "cifar100_taskA", "cifar100_taskB", "downloads.json"]
    for task, seed, path in zip("AAABBB", [0, 1, 2] * 2, world.paths()):
        assert "sound" in predictions.check(path)
        found, source = predictions.open_trajectory(path), f"/some/task{task}_preds.npy"
        np.testing.assert_allclose(found.roots() ** 2, models("AB".index(task))[seed], atol=1e-3)
        np.testing.assert_array_equal(found.labels, TRUTH)
        assert found.t.tolist() == [0, 1, 2, 3] and found.attributes["t_name"] == "epoch"
        expected = {
            "task": f"task{task}",
            "seed": seed,
            "dataset": "cifar100",
            "split": "train",
            "source": world.server.address + source,
            "source_sha256": hashlib.sha256(world.server.contents[source]).hexdigest(),
        }
        assert {key: found.attributes[key] for key in expected} == expected
    records = json.loads((world.folder / "downloads.json").read_text())
    assert sorted(records) == ["archive.tar.gz", "taskA_preds.npy", "taskB_preds.npy"]
    body = world.server.contents["/some/taskB_preds.npy"]
    assert records["taskB_preds.npy"]["bytes"] == len(body)
    assert records["taskB_preds.npy"]["sha256"] == hashlib.sha256(body).hexdigest()
    out = capsys.readouterr().out
    assert out.count("4 models, accuracy 0.") == 6 and out.endswith("6 stored, 0 skipped\n")


def test_results_are_found_and_drawn(world):
    world.fetch()
    arguments = shared.options("").parse_args(["cifar100_*", "--predictions", str(world.folder)])
    trajectories, name = runs.find(arguments)
    assert name == "cifar100" and [x.seed for x in trajectories] == [0, 1, 2] * 2
    assert runs.labels(trajectories[0], world.folder).tolist() == TRUTH.tolist()
    embedding = inpca.fit(distance.pairwise(trajectories))
    assert embedding.coordinates.shape[0] == 2 * SEEDS * T
    assert embedding.explained_stress()[2] > 0.5


def test_second_time_nothing_is_done(world, capsys):
    world.fetch()
    times, count = [path.stat().st_mtime_ns for path in world.paths()], len(world.server.asked)
    capsys.readouterr()
    world.fetch()
    assert [path.stat().st_mtime_ns for path in world.paths()] == times and len(world.server.asked) == count
    out = capsys.readouterr().out
    assert out.count("skipped (already there)") == 6 and out.endswith("0 stored, 6 skipped\n")


def test_only_what_is_missing_is_fetched(world, capsys):
    world.fetch()
    world.paths()[4].unlink()
    world.fetch(*["whole"])
    assert "sound" in predictions.check(world.paths()[4])
    assert len(world.asked("taskA_preds.npy")) == 1 and len(world.asked("taskB_preds.npy")) == 2
    assert capsys.readouterr().out.endswith("1 stored, 5 skipped\n")


def test_kept_downloads_are_used_again(world):
    world.fetch(keep=True)
    assert names(world.folder / "downloads") == ["archive.tar.gz", "taskA_preds.npy", "taskB_preds.npy"]
    world.paths()[0].unlink()
    world.fetch(keep=True)
    assert len(world.server.asked) == 3
    world.fetch()
    assert not (world.folder / "downloads").exists()


def test_files_from_another_machine_need_no_network(world):
    (world.folder / "downloads").mkdir(parents=True)
    for task in ("taskA", "taskB"):
        (world.folder / "downloads" / f"{task}_preds.npy").write_bytes(world.server.contents[f"/some/{task}_preds.npy"])
    np.save(world.folder / "labels.npy", TRUTH)
    world.fetch(labels=world.folder / "labels.npy")
    assert world.server.asked == [] and all(path.exists() for path in world.paths())


def test_interrupted_conversion_goes_on_with_the_missing_seed(world, monkeypatch):
    write = predictions.write

    def interrupted(path, *arguments, **options):
        if path.name == "preds_1.h5":
            raise KeyboardInterrupt
        write(path, *arguments, **options)

    monkeypatch.setattr(recorder, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.fetch()
    monkeypatch.undo()
    monkeypatch.setenv("HF_ENDPOINT", world.server.address)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetching, "HOSTED", world.table)
    monkeypatch.setattr(fetching, "DATA", world.data)
    first = world.paths()[0].stat().st_mtime_ns
    world.fetch()
    assert world.paths()[0].stat().st_mtime_ns == first and all(path.exists() for path in world.paths())
    assert len(world.asked("taskA_preds.npy")) == 1 and len(world.asked("archive.tar.gz")) == 1


def spoilt(index, value):
    array = models()
    array[index] = value
    return npy(array)


@pytest.mark.parametrize(
    "raw, message",
    [
        (npy(models()[:, :, :-1]), "announces .* expected"),
        (npy(models().reshape(SEEDS, T, C, N)), r"shape \(3, 4, 5, 300\) .* expected shape \(3, 4, 300, 5\)"),
        (npy(models().view(np.int32)), "type int32, expected .* float32"),
        (npy(models().astype(">f4")), "type >f4, expected .* float32"),
        (npy(np.asfortranarray(models())), "in C order"),
        (spoilt((1, 2, 7, 3), np.nan), "taskA_preds.npy: seed 1, checkpoint 2, sample 7: .* nan"),
        (spoilt((2, 0, 11, 0), np.inf), "seed 2, checkpoint 0, sample 11: .* sum to inf"),
        (spoilt((0, 3, 299), [1, 1, 0, 0, 0]), "seed 0, checkpoint 3, sample 299: .* sum to 2, expected probabilities"),
        (spoilt((0, 3, 5), [1.5, -0.5, 0, 0, 0]), "sample 5: numbers from -0.5 that sum to 1,"),
        (npy(models())[:-4] + b"", r"announces \d+ bytes|has \d+ bytes|no array"),
        (npy(models()) + b"more", r"has \d+ bytes, expected \d+"),
        (b"\x93NUMPY" + bytes(models().nbytes), "no array of numbers"),
        (bytes(models().nbytes), "no array of numbers"),
    ],
    ids=range(13),
)
def test_arrays_that_are_not_what_was_published(world, raw, message):
    world.put(raw=raw)
    assert "taskA_preds.npy" in world.refused(message)
    assert names(world.folder / "downloads") == ["archive.tar.gz"]
    assert not list(world.folder.glob("*/preds_*.h5"))
    world.put(models())
    world.fetch()


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_in_place_of_arrays_are_refused(world, tmp_path):
    size = models().nbytes
    for raw in (
        pickle.dumps([Evil(tmp_path / "ran"), bytes(size)]),
        npy(np.array([Evil(tmp_path / "ran"), bytes(size)], dtype=object), allow_pickle=True),
    ):
        world.put(raw=raw)
        world.refused("no array of numbers")
    file = io.BytesIO()
    np.savez(file, models())
    world.put(raw=file.getvalue())
    world.refused("an archive, expected")
    assert not (tmp_path / "ran").exists()


def test_another_version_is_refused_and_can_be_taken(world):
    world.fetch()
    world.paths()[0].unlink()
    world.put(models(5))
    message = world.refused(r"taskA_preds\.npy has SHA-256 .* according to .*to take the other version")
    assert str(world.folder / "downloads.json") in message and not world.paths()[0].exists()
    (world.folder / "downloads.json").unlink()
    for path in world.paths()[1:3]:
        path.unlink()
    world.fetch()


def test_digest_in_the_table(world):
    found = hashlib.sha256(world.server.contents["/some/taskA_preds.npy"]).hexdigest()
    files_of = world.table["cifar100"].files
    files_of["taskA"] = ("some/taskA_preds.npy", "0" * 64)
    assert "downloads.json" not in world.refused("expected 0000.* according to this program")
    files_of["taskA"] = ("some/taskA_preds.npy", found)
    world.fetch()


@pytest.mark.parametrize("content", ["{", "[]", '{"taskA_preds.npy": {}}', '{"taskA_preds.npy": {"sha256": 1}}', "\0"])
def test_damaged_record(world, content):
    world.folder.mkdir()
    (world.folder / "downloads.json").write_text(content)
    world.refused("downloads.json is not a record of downloads .*delete it")


def test_something_else_under_the_name(world):
    path = world.paths()[0]
    predictions.write(path, models()[0], labels=TRUTH, task="taskA")
    world.refused("is there and is not taskA as it is published")
    path.write_bytes(b"no")
    world.refused("preds_0.h5 is not a complete trajectory file")
    assert world.server.asked == [] and path.read_bytes() == b"no"


def test_disk_too_small(world, monkeypatch):
    total = len(ARCHIVE) + 3 * models().nbytes
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=total // 2))
    world.refused("GB of disk are needed")
    assert len(world.server.asked) == 1 and not list(world.folder.glob("*/preds_*.h5"))


def test_one_process_at_a_time(world):
    code = "import sys; from info_geometry import files\nwith files.lock(sys.argv[1], 'x'): print(flush=True); input()"
    world.folder.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(world.folder / ".fetch.lock")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    try:
        world.refused(f"cifar100 in .* is being written by pid {other.pid}")
    finally:
        other.communicate(b"\n")
    world.fetch()


@pytest.mark.parametrize("endpoint", ["file:///etc", "huggingface.co", ""])
def test_endpoint_that_is_none(world, monkeypatch, endpoint):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    world.refused("HF_ENDPOINT is .* expected the address of a server")


# --- labels ---------------------------------------------------------------------------------------------------------


def test_labels_of_the_data_set_that_is_there(world):
    (world.data / "cifar-100-python").mkdir(parents=True)
    (world.data / MEMBER).write_bytes(pickled(TRUTH))
    world.fetch()
    assert not world.asked("archive.tar.gz")


def test_labels_of_an_archive_that_is_there(world):
    world.data.mkdir()
    (world.data / "archive.tar.gz").write_bytes(ARCHIVE)
    world.fetch()
    assert not world.asked("archive.tar.gz") and (world.data / "archive.tar.gz").exists()


def test_damaged_data_set_is_said_and_left(world, caplog):
    (world.data / "cifar-100-python").mkdir(parents=True)
    (world.data / MEMBER).write_bytes(pickled(TRUTH)[:100])
    with caplog.at_level("WARNING", logger="info_geometry"):
        world.fetch()
    assert str(world.data / MEMBER) in caplog.text and len(world.asked("archive.tar.gz")) == 1
    assert predictions.open_trajectory(world.paths()[0]).labels.tolist() == TRUTH.tolist()


def test_archive_is_resumed_and_verified(world):
    world.fetch("cut:200")
    assert [count for _, _, count in world.asked("archive.tar.gz")] == [200, len(ARCHIVE) - 200]
    world.paths()[0].unlink()
    other = bytearray(ARCHIVE)
    other[-20] ^= 1
    world.server.contents["/archive.tar.gz"] = bytes(other)
    assert "--labels FILE" in world.refused("archive.tar.gz has MD5 .*, expected ")


def test_archive_that_cannot_be_had(world):
    del world.server.contents["/archive.tar.gz"]
    assert "--labels FILE.npy" in world.refused("answers 404")


def bad_archives(marker):
    evil = pickle.dumps({b"fine_labels": [*TRUTH.tolist()], b"data": Evil(marker)}, protocol=2)
    return {
        "evil": archived(evil),
        "evil before the labels": archived(pickle.dumps([Evil(marker)], protocol=2)),
        "os.system": archived(b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."),
        "no pickle": archived(b"no"),
        "truncated pickle": archived(pickled(TRUTH)[:500]),
        "too few": archived(pickled(TRUTH[:-1])),
        "out of range": archived(pickled([*TRUTH[:-1], C])),
        "negative": archived(pickled([*TRUTH[:-1], -1])),
        "texts": archived(pickle.dumps({b"fine_labels": ["1"] * N}, protocol=2)),
        "no labels": archived(pickle.dumps({b"labels": TRUTH.tolist()}, protocol=2)),
        "no dictionary": archived(pickle.dumps([1, 2], protocol=2)),
        "no member": archived(pickled(TRUTH), name="cifar-100-python/other"),
        "elsewhere": archived(pickled(TRUTH), name="../" + MEMBER),
        "symbolic link": archived(b"", kind=tarfile.SYMTYPE),
        "folder": archived(b"", kind=tarfile.DIRTYPE),
        "no archive": b"no",
        "truncated": ARCHIVE[: len(ARCHIVE) // 2],
    }


@pytest.mark.parametrize("which", bad_archives(""))
def test_hostile_archives_are_refused_and_run_nothing(world, tmp_path, which):
    world.put_archive(bad_archives(tmp_path / "ran")[which])
    before = names(tmp_path)
    message = world.refused("does not hold the labels of cifar-100-python/train")
    assert "archive.tar.gz" in message and not (tmp_path / "ran").exists()
    assert names(tmp_path) == sorted([*before, "predictions"])
    assert names(world.folder / "downloads") == ["archive.tar.gz"] and not list(world.folder.glob("*/preds_*.h5"))


@pytest.mark.parametrize(
    "labels, message",
    [
        (TRUTH[:-1], "expected 300 labels from 0 to 4, those of the first train images, not an array of shape"),
        (TRUTH + 1, "from 1 to 5"),
        (TRUTH + 0.5, "expected 300 labels"),
        (np.random.default_rng(0).permutation(TRUTH), "seed 0 agrees with .* expected more than chance, 20.0%"),
    ],
    ids=range(4),
)
def test_labels_that_do_not_fit(world, tmp_path, labels, message):
    np.save(tmp_path / "labels.npy", labels)
    assert "label" in world.refused(message, labels=tmp_path / "labels.npy")
    assert not list(world.folder.glob("*/preds_*.h5"))


def test_labels_that_are_no_file_or_others_than_before(world, tmp_path):
    world.refused("no such file", labels=tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("no")
    world.refused("is not an array of labels", labels=tmp_path / "text.npy")
    world.fetch()
    np.save(tmp_path / "labels.npy", TRUTH)
    world.fetch(labels=tmp_path / "labels.npy")
    np.save(tmp_path / "others.npy", TRUTH[::-1])
    world.refused("was stored with other labels", labels=tmp_path / "others.npy")


# --- the command ----------------------------------------------------------------------------------------------------


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "info_geometry.predictions", "fetch", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "no_proxy": "*", **environment},
    )


def test_command_lists_what_there_is(tmp_path):
    done = command("--to", tmp_path)
    assert done.returncode == 0 and f"{tmp_path}/cifar100_<task>/preds_<seed>.h5" in done.stdout
    assert "444 MB" in done.stdout and "imagenet" in done.stdout
    done = command("cifar1000", "--to", tmp_path)
    assert done.returncode == 1 and "nothing called 'cifar1000'" in done.stderr and "444 MB" in done.stderr
    done = command("imagenet", "--to", tmp_path)
    assert done.returncode == 1 and f"{tmp_path}/labels/imagenet_val_labels.npy" in done.stderr
    assert "predictions/README.md" in done.stderr and names(tmp_path) == []


def test_command_asks_the_hub_for_the_published_files(server, tmp_path):
    np.save(tmp_path / "labels.npy", np.arange(5000) % 100)
    done = command("cifar100", "--to", tmp_path / "to", "--labels", tmp_path / "labels.npy", HF_ENDPOINT=server.address)
    address = "/rahul13ramesh/picture_of_space_of_tasks/resolve/main/taskA_preds.npy"
    assert server.asked == [[address, None, 0]]
    assert done.returncode == 1 and done.stderr.startswith(f"error: {server.address}{address}: the server answers 404")


def test_table():
    published = hosted.HOSTED["cifar100"]
    assert len(published.t) == published.shape[1] and list(published.t) == sorted(set(published.t))
    assert published.bytes == 222_000_000


def test_digests(tmp_path):
    (tmp_path / "body").write_bytes(BODY)
    for kind in ("sha256", "md5"):
        assert digest(tmp_path / "body", kind) == hashlib.new(kind, BODY).hexdigest()
    with contextlib.suppress(ImportError):
        from torchvision.datasets import CIFAR100

        published = hosted.HOSTED["cifar100"].labels
        assert (published.url, published.md5) == (CIFAR100.url, CIFAR100.tgz_md5)
