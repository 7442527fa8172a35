"""Files of weights: they survive kills and full disks, loading executes nothing, and what does not fit is named."""

import argparse
import os
import pickle
import random
import re
import resource
import time
import zipfile

import pytest
import torch

from info_geometry.files import InputError
from learning import networks
from learning.runs import weights
from tests.support import stages
from tests.support.runs import load_weights


def network(outputs=10, seed=0):
    return networks.build("small_cnn", 1, 8, outputs, seed)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def save(path, network, half=False):
    weights.save(path, weights.of(network, path, half))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ckpt" / "0_0.pth"
    save(path, network())
    return path


def refused(path, into=None):
    into = into or network(seed=1)
    before = {key: value.clone() for key, value in into.state_dict().items()}
    with pytest.raises(InputError) as raised:
        load_weights(path, into)
    assert equal(before, into.state_dict())
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_loaded_is_what_was_saved(saved):
    into = network(seed=1)
    load_weights(saved, into)
    assert equal(into.state_dict(), network().state_dict())
    assert [path.name for path in saved.parent.iterdir()] == ["0_0.pth"]
    content = saved.read_bytes()
    save(saved, network())
    assert saved.read_bytes() == content


# Half the bytes


def trained_a_little(seed=0):
    """Return a network of which no weight, mean or deviation is as it begins."""
    found, images = network(seed=seed), torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    optimiser = torch.optim.SGD(found.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        found(images).square().mean().backward()
        optimiser.step()
    return found


def test_weights_in_float16_are_those_of_convolutions_and_linear_maps():
    whole = trained_a_little()
    found = weights.of(whole, "here", half=True)
    halved = {
        f"{name}.weight"
        for name, module in whole.named_modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))
    }
    assert {key for key, value in found.items() if value.dtype == torch.float16} == halved and len(halved) == 4
    for key, value in whole.state_dict().items():
        assert torch.equal(found[key], value.half() if key in halved else value)
        assert found[key].dtype == (torch.float16 if key in halved else value.dtype) and not found[key].requires_grad
    assert equal(weights.of(whole, "here"), whole.state_dict())
    assert {value.dtype for value in weights.of(whole, "here").values()} == {torch.float32, torch.int64}


def test_weights_in_float16_are_loaded_into_float32(tmp_path):
    whole, into = trained_a_little(), network(seed=1)
    for half in (True, False):
        save(tmp_path / "a.pth", whole, half)
        load_weights(tmp_path / "a.pth", into)
        direct = network(seed=2)
        weights.fit(weights.of(whole, "here", half), direct, "here")
        for loaded in (into.state_dict(), direct.state_dict()):
            assert {key: value.dtype for key, value in loaded.items()} == {
                key: value.dtype for key, value in whole.state_dict().items()
            }
            for key, value in whole.state_dict().items():
                halved = half and value.ndim > 1
                assert torch.equal(loaded[key], value.half().float() if halved else value)
                assert not halved or not torch.equal(loaded[key], value)


def test_float16_loses_nothing_where_convolutions_compute_in_it():
    whole, halved, images = trained_a_little(), network(seed=1), torch.randn(16, 1, 8, 8)
    weights.fit(weights.of(whole, "here", half=True), halved, "here")
    whole.eval()
    halved.eval()
    with torch.inference_mode():
        with torch.autocast("cpu", torch.float16):
            assert torch.equal(whole.body(images), halved.body(images)) and torch.equal(whole(images), halved(images))
        assert not torch.equal(whole.body(images), halved.body(images))
        assert torch.allclose(whole.body(images), halved.body(images), atol=0.01)


def test_weights_too_large_for_float16_are_refused():
    large = network()
    with torch.no_grad():
        large.body[3].weight[0, 0, 0, 0] = 1e5
    weights.of(large, "here")
    with pytest.raises(InputError, match=r"^here: 1 non-finite values in body\.3\.weight"):
        weights.of(large, "here", half=True)


# What is wrong with files


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_weights_of_wrapped_networks(tmp_path, prefix):
    weights.save(tmp_path / "a.pth", {prefix + key: value for key, value in network().state_dict().items()})
    into = network(seed=1)
    load_weights(tmp_path / "a.pth", into)
    assert equal(into.state_dict(), network().state_dict())


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_nothing_is_executed(tmp_path, kind):
    path, marker = tmp_path / "evil.pth", tmp_path / "marker"
    content = {"body": torch.zeros(1), "more": Evil(marker)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    message = refused(path)
    assert not marker.exists()
    if kind == "zip":
        assert "posix.system" in message and message.endswith("Only tensors and plain values are loaded.")


def test_pickled_objects_are_named(tmp_path):
    torch.save({"args": argparse.Namespace(lr=0.1)}, tmp_path / "a.pth")
    assert refused(tmp_path / "a.pth") == (
        f"{tmp_path}/a.pth contains pickled objects (argparse.Namespace). Only tensors and plain values are loaded."
    )


@pytest.mark.parametrize("part", [0, 0.01, 0.1, 0.5, 0.99])
def test_truncated(saved, part):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    message = refused(saved)
    assert "is not a complete checkpoint" in message and "delete it" in message


def test_flipped_bits_are_found(saved):
    content = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    start = content.index(largest.filename.encode()) + 100
    rng = random.Random(0)
    for place in [start, start + largest.file_size // 2, *(rng.randrange(start, start + 10000) for _ in range(10))]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        saved.write_bytes(damaged)
        assert "checksum mismatch in" in refused(saved)


def test_any_damage_is_refused_or_harmless(saved):
    content, rng = saved.read_bytes(), random.Random(1)
    for _ in range(150):
        damaged = bytearray(content)
        place = rng.choice([rng.randrange(len(content)), rng.randrange(3000), -rng.randrange(1, 3000)])
        damaged[place] ^= rng.randrange(1, 256)
        saved.write_bytes(damaged)
        into = network(seed=1)
        try:
            load_weights(saved, into)
        except InputError as error:
            assert str(saved) in str(error)
        else:
            assert equal(into.state_dict(), network().state_dict())


def test_another_head(saved):
    message = refused(saved, network(outputs=5))
    assert "other shapes ['head.bias (10,), expected (5,)', 'head.weight (10, 64), expected (5, 64)']" in message
    assert "missing none, unexpected none" in message


def test_another_architecture(saved):
    message = refused(saved, networks.build("wrn_16_4", 3, 32, 10, 0))
    missing, unexpected = re.search(r"missing \[(.*?)\], unexpected \[(.*?)\]", message).groups()
    assert missing.count("body.") == 3 and unexpected.count("body.") == 3 and "head.weight (10, 64)" in message


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.zeros(3), {}, {1: torch.zeros(3)}, None, "text"])
def test_files_that_hold_no_weights(tmp_path, content):
    weights.save(tmp_path / "a.pth", content)
    message = refused(tmp_path / "a.pth")
    assert "holds no weights" in message or "does not fit the network" in message


def test_no_file(tmp_path):
    assert refused(tmp_path / "a.pth") == f"{tmp_path}/a.pth: no such file"
    refused(tmp_path)


def test_weights_that_are_not_finite(saved):
    bad = network()
    with torch.no_grad():
        bad.body[3].weight[0, 0, 0, :2] = torch.tensor([float("nan"), float("inf")])
    content = saved.read_bytes()
    for half in (False, True):
        with pytest.raises(InputError, match=r"0_0\.pth: 2 non-finite values in body\.3\.weight"):
            save(saved, bad, half)
    assert saved.read_bytes() == content
    weights.save(saved, bad.state_dict())
    assert "2 non-finite values in body.3.weight" in refused(saved)


class Refuses:
    def __reduce__(self):
        raise RuntimeError("no")


def test_saving_that_fails_changes_nothing(saved):
    before = stages.contents(saved.parent)
    with pytest.raises(RuntimeError, match="no"):
        weights.save(saved, {"weights": torch.zeros(10000), "more": Refuses()})
    assert stages.contents(saved.parent) == before


def limited_save(path, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        weights.save(path, {"weights": torch.zeros(100000)})
    except InputError as error:
        (path.parent / "message").write_text(str(error))


@pytest.mark.parametrize("limit", [300, 5000, 300000])
def test_full_disk_is_said_and_leaves_nothing(tmp_path, limit):
    process = stages.start(limited_save, tmp_path / "a.pth", limit)
    process.join()
    assert process.exitcode == 0 and [file.name for file in tmp_path.iterdir()] == ["message"]
    assert (tmp_path / "message").read_text().startswith(f"cannot write {tmp_path}/a.pth: File too large (")


def save_for_ever(path):
    number = 0
    while True:
        number += 1
        weights.save(path, {"number": number, "weights": torch.full((200000,), float(number))})


def test_killed_savers_leave_the_old_file_or_the_new_one(tmp_path):
    path, rng, last = tmp_path / "last.pth", random.Random(2), 0
    for _ in range(10):
        process = stages.start(save_for_ever, path)
        stages.until(path.exists)
        time.sleep(rng.random() * 0.05)
        process.kill()
        process.join()
        content = weights.load(path)
        assert content["number"] >= 1 and torch.all(content["weights"] == content["number"])
        last = max(last, content["number"])
    assert last > 1
