"""Downloads: whatever server, network, disk or process do, what appears under its name is whole."""

import ast
import hashlib
import importlib.util
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from info_geometry.files import InputError
from info_geometry.published import download as downloads
from info_geometry.published import hosted
from info_geometry.published.download import digest, download
from tests.support.hosting import BODY
from tests.support.prediction_files import names
from tests.support.processes import started


def nothing_wrong(*_):
    """Accept whatever came."""


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
    done = started(code, server.address + "/body", tmp_path / "body.bin").communicate()
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
    process = started(code, server.address + "/body", get.path)
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


def test_digests(tmp_path):
    (tmp_path / "body").write_bytes(BODY)
    for kind in ("sha256", "md5"):
        assert digest(tmp_path / "body", kind) == hashlib.new(kind, BODY).hexdigest()


def test_digest_of_the_archive_is_the_one_that_torchvision_knows():
    """Read from its source: importing it takes seconds."""
    torchvision = importlib.util.find_spec("torchvision")
    if torchvision is None:
        pytest.skip("torchvision is not installed")
    source = Path(torchvision.origin).with_name("datasets").joinpath("cifar.py").read_text(encoding="utf-8")
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    known = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in classes["CIFAR100"].body
        if isinstance(node, ast.Assign)
    }
    published = hosted.HOSTED["cifar100"].labels
    assert (published.url, published.md5) == (known["url"], known["tgz_md5"])
