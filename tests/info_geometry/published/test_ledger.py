"""The ledger of downloads: another version of a file is refused, and can be taken."""

import hashlib

import pytest

from tests.support.hosting import models


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
