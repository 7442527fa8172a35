"""A world in which small files are hosted."""

import hashlib
from types import SimpleNamespace

import pytest

from info_geometry import files
from info_geometry.files import InputError
from info_geometry.published import download as downloads
from info_geometry.published import fetch as fetching
from info_geometry.published import hosted
from info_geometry.published.fetch import fetch
from tests.support.hosting import ARCHIVE, MEMBER, SEEDS, SHAPE, T, models, npy, serving


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "PAUSES", (0, 0))
    with serving() as server:
        yield server


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
