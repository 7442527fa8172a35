"""Configurations: what is misspelt, of another type or senseless is refused, in words that say what to write."""

import dataclasses
import importlib
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from info_geometry.files import ROOT, InputError
from learning import config
from learning.config import Config
from tests.support import stages

CONFIGS = ROOT / "supervised_imagenet" / "01_training" / "configs"
FOLDERS = [ROOT / "supervised_imagenet", *(ROOT / "experiments").iterdir()]


def class_of(folder):
    """Return the configuration of an experiment: the one in its config.py, or that of all."""
    if not (folder / "config.py").exists():
        return Config
    module = importlib.import_module(f"experiments.{folder.name}.config")
    own = [x for x in vars(module).values() if isinstance(x, type) and issubclass(x, Config) and x is not Config]
    return next(iter(own), Config)


GOOD = {"dataset": "digits", "network": "small_cnn", "epochs": 3, "batch_size": 32, "learning_rate": 0.1}


def written(folder, text=None, **changes):
    """Return a file of good values with changes (None: left out), or of text."""
    path = folder / "mine.yaml"
    values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text(yaml.safe_dump(values) if text is None else text)
    return path


def refused(path, *overrides):
    with pytest.raises(InputError) as raised:
        config.read(path, overrides=overrides)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_read_is_what_was_written(tmp_path):
    found = config.read(written(tmp_path))
    assert {key: getattr(found, key) for key in GOOD} == GOOD
    defaults = {field.name: field.default for field in dataclasses.fields(Config) if field.name not in GOOD}
    assert {key: getattr(found, key) for key in defaults} == defaults


@pytest.mark.parametrize(
    "path",
    [path for folder in FOLDERS for path in sorted(folder.glob("01_training/configs/*.yaml"))],
    ids=lambda path: f"{path.parents[2].name}-{path.stem}",
)
def test_shipped_configurations_load(path):
    found = config.read(path, class_of(path.parents[2]))
    assert found.dataset == path.stem.partition("_")[0]
    for field in dataclasses.fields(found):
        assert type(getattr(found, field.name)) is field.type


def test_unknown_key_with_a_suggestion(tmp_path):
    path = written(tmp_path, weigth_decay=0.1)
    assert refused(path) == f"{path}: unknown key weigth_decay; did you mean weight_decay?"
    assert "unknown key zzz; there are dataset, network" in refused(written(tmp_path, zzz=1))


def test_number_that_yaml_takes_for_text(tmp_path):
    path = written(tmp_path, "\n".join(f"{key}: {value}" for key, value in GOOD.items()).replace("0.1", "1e-3"))
    assert refused(path) == f"{path}: learning_rate is '1e-3' (text); write 1.0e-3"


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1e3", "1.5e3", "2e-7", "15e-1", "'0.1'", "'3'", "-1e-3", ".5e1"])
def test_the_advised_spelling_is_right(tmp_path, text):
    path = written(tmp_path)
    path.write_text(path.read_text() + f"weight_decay: {text}\n")
    advised = re.search(r"write (\S+)$", refused(path)).group(1)
    assert float(yaml.safe_load(advised)) == float(text.strip("'")) and not isinstance(yaml.safe_load(advised), str)


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("epochs", True, "epochs is True (true or false); expected a whole number"),
        ("learning_rate", True, "learning_rate is True (true or false); expected a number"),
        ("network", True, "network is True (true or false); expected text"),
        ("compile", 1, "compile is 1 (a whole number); expected true or false"),
        ("compile", 0.0, "compile is 0.0 (a number); expected true or false"),
        ("compile", "maybe", "compile is 'maybe' (text); expected true or false"),
        ("epochs", 2.5, "epochs is 2.5 (a number); expected a whole number"),
        ("epochs", "many", "epochs is 'many' (text); expected a whole number"),
        ("learning_rate", "fast", "learning_rate is 'fast' (text); expected a number"),
        ("learning_rate", "nan", "learning_rate is 'nan' (text); expected a number"),
        ("network", 5, "network is 5 (a whole number); expected text"),
        ("epochs", [1, 2], "epochs is [1, 2] (list); expected a whole number"),
        ("epochs", {}, "epochs is {} (dict); expected a whole number"),
        ("learning_rate", -0.1, "learning_rate is -0.1, expected a finite number that is not negative"),
        ("learning_rate", math.nan, "learning_rate is nan, expected a finite number"),
        ("learning_rate", math.inf, "learning_rate is inf, expected a finite number"),
        ("learning_rate", 0, "learning_rate is 0.0, expected a positive number"),
        ("epochs", 0, "epochs is 0, expected a positive number"),
        ("batch_size", -8, "batch_size is -8, expected a finite number that is not negative"),
        ("label_smoothing", 1.5, "label_smoothing is 1.5, expected at most 1"),
        ("augmentation", "crop", "augmentation is 'crop', expected one of none, crop_flip, full, random_resized_crop"),
        ("optimiser", "sdg", "optimiser is 'sdg', expected one of sgd, adam, adamw"),
        ("annealing", "step", "annealing is 'step', expected one of linear, cosine, constant"),
        ("initialisation", "he", "initialisation is 'he', expected one of default, kaiming"),
        ("depth", -1, "depth is -1, expected a finite number that is not negative"),
        ("widths", 256, "widths is 256 (a whole number); expected text"),
        ("schedule", "linear", "schedule is 'linear', expected one of geometric, epochs, thinning"),
        ("precision", "float16", "precision is 'float16', expected one of float32, bfloat16"),
        ("evaluation_precision", "half", "evaluation_precision is 'half', expected one of float32, float16, bfloat16"),
        ("micro_batch_size", -1, "micro_batch_size is -1, expected a finite number that is not negative"),
        ("warmup_epochs", 3.0, "warmup_epochs is 3.0, expected less than epochs (3)"),
    ],
)
def test_bad_values(tmp_path, key, value, words):
    path = written(tmp_path, **{key: value} if value is not None else {})
    assert refused(path) == f"{path}: {words}"


@pytest.mark.parametrize("key", GOOD)
def test_missing_key(tmp_path, key):
    path = written(tmp_path, **{key: None})
    assert refused(path) == f"{path}: {key} is missing; add `{key}: ...`"


def test_a_whole_number_will_do_for_a_number(tmp_path):
    found = config.read(written(tmp_path, learning_rate=1)).learning_rate
    assert found == 1.0 and type(found) is float


@pytest.mark.parametrize(
    "text",
    ["epochs: [", "a: b: c", "\tepochs: 1", "x: !!python/object/apply:os.system ['true']", "? [a]\n: 1\n? {b: 1}\n: 2"],
)
def test_not_yaml(tmp_path, text):
    path = written(tmp_path, text)
    assert refused(path).startswith(f"{path}: not YAML (")


@pytest.mark.parametrize("text", ["learning_rate: 1:30.5", "learning_rate: 1_0.5", "learning_rate: 0.00_1"])
def test_numbers_that_yaml_reads_as_others(tmp_path, text):
    path = written(tmp_path, text)
    assert "is not a plain number; write it in decimal digits at line 1, column 16" in refused(path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "word", "3", "[]", "{}"])
def test_not_keys_and_values(tmp_path, text):
    path = written(tmp_path, text)
    assert f"{path}: expected lines of the form `key: value`" in refused(path)


def test_not_readable(tmp_path):
    assert refused(tmp_path / "no.yaml") == f"{tmp_path}/no.yaml: cannot be read (No such file or directory)"
    assert refused(tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "not YAML" in refused(tmp_path / "binary.yaml")


def test_overrides_come_last(tmp_path):
    found = config.read(
        written(tmp_path), overrides=[("epochs", "7"), ("learning_rate", "1e-3"), ("network", "5"), ("epochs", "8")]
    )
    assert (found.epochs, found.learning_rate, found.network) == (8, 0.001, "5")
    assert config.read(written(tmp_path, epochs=None), overrides=[("epochs", "7")]).epochs == 7


def test_truth_from_a_file_and_from_the_command_line(tmp_path):
    for value in (True, False):
        path = written(tmp_path, compile=value)
        assert config.read(path).compile is value
        for text in ("true", "false"):
            assert config.read(path, overrides=[("compile", text)]).compile is (text == "true")


@pytest.mark.parametrize(
    "key, text, words",
    [
        ("epochs", "1e3", "--epochs is '1e3' (text); expected a whole number"),
        ("epochs", "2.5", "--epochs is '2.5' (text); expected a whole number"),
        ("learning_rate", "fast", "--learning_rate is 'fast' (text); expected a number"),
        ("learning_rate", "nan", "learning_rate is nan, expected a finite number"),
        ("epochs", "true", "--epochs is 'true' (text); expected a whole number"),
        ("compile", "1", "--compile is '1' (text); expected true or false"),
        ("compile", "", "--compile is '' (text); expected true or false"),
        ("weigth_decay", "1", "unknown key --weigth_decay; did you mean --weight_decay?"),
    ],
)
def test_bad_overrides(tmp_path, key, text, words):
    assert words in refused(written(tmp_path), (key, text))


# Learning rate and resolution

IMAGENET = config.read(CONFIGS / "imagenet_rn50.yaml")


def rates(settings, each=4):
    return [settings.learning_rate_at(step / each) for step in range(settings.epochs * each + 1)]


def test_learning_rate_rises_and_falls_linearly():
    for settings in (IMAGENET, Config(**GOOD, warmup_epochs=0.75), Config(**GOOD, warmup_epochs=0.0)):
        peak = settings.learning_rate_at(settings.warmup_epochs)
        for epoch, rate in zip((step / 4 for step in range(1000)), rates(settings)):
            rising = epoch < settings.warmup_epochs
            part = (
                epoch / settings.warmup_epochs
                if rising
                else 1 - (epoch - settings.warmup_epochs) / (settings.epochs - settings.warmup_epochs)
            )
            assert abs(rate - part * peak) < 1e-12


def test_learning_rate_is_proportional_to_the_batch_where_it_has_a_base():
    for batch in (1, 420, 840, 1680, 6720):
        changed = dataclasses.replace(IMAGENET, batch_size=batch)
        assert rates(changed) == pytest.approx([rate * batch / 1680 for rate in rates(IMAGENET)], rel=1e-12)
        fixed = dataclasses.replace(IMAGENET, batch_size=batch, base_batch_size=0)
        assert rates(fixed) == rates(IMAGENET)


def test_learning_rate_of_imagenet_is_the_published_one():
    assert max(rates(IMAGENET)) == IMAGENET.learning_rate_at(2) == pytest.approx(1.7)
    assert max(rates(dataclasses.replace(IMAGENET, batch_size=420))) == pytest.approx(0.425)
    assert IMAGENET.batch_size == 1680 and rates(IMAGENET)[0] == rates(IMAGENET)[-1] == 0


def test_images_of_imagenet_grow_as_published():
    found = [IMAGENET.resolution_at(epoch) for epoch in range(IMAGENET.epochs)]
    assert found[:30] == [160] * 30 and found[34:] == [192] * 6 and found == sorted(found)


@pytest.mark.parametrize(
    "first, last, start, end", [(160, 192, 29, 34), (64, 224, 3, 17), (96, 128, 0, 0), (32, 256, 5, 6)]
)
def test_images_grow_by_multiples_of_32(first, last, start, end):
    settings = dataclasses.replace(IMAGENET, resolution=first, final_resolution=last, grow_from=start, grow_until=end)
    found = [settings.resolution_at(epoch) for epoch in range(40)]
    assert {side % 32 for side in found} == {0} and found == sorted(found)
    assert set(found[: start + 1]) == {first} and set(found[max(end, start + 1) :]) == {last}
    for epoch in range(start, end):  # the nearest multiple to a straight line
        assert abs(found[epoch] - (first + (last - first) * (epoch - start) / (end - start))) <= 16


def test_images_that_do_not_grow():
    for side in (0, 8, 28, 160):
        settings = dataclasses.replace(IMAGENET, resolution=side, final_resolution=0)
        assert {settings.resolution_at(epoch) for epoch in range(40)} == {side}


def settings(**changes):
    values = {
        "learning_rate": 2.0,
        "warmup_epochs": 2.0,
        "annealing": "linear",
        "epochs": 10,
        "resolution": 160,
        "final_resolution": 192,
        "grow_from": 4,
        "grow_until": 8,
        "batch_size": 64,
        "base_batch_size": 0,
    }
    return SimpleNamespace(**{**values, **changes})


def test_learning_rate_by_hand():
    rate = Config.learning_rate_at
    assert [rate(settings(), epoch) for epoch in (0, 1, 2, 6, 10)] == [0, 1, 2, 1, 0]
    assert [rate(settings(warmup_epochs=0.0), epoch) for epoch in (0, 5, 10)] == [2, 1, 0]
    assert [rate(settings(base_batch_size=256), epoch) for epoch in (0, 1, 2, 6, 10)] == [0, 0.25, 0.5, 0.25, 0]
    constant = settings(annealing="constant", base_batch_size=256)
    assert [rate(constant, epoch) for epoch in (0, 1, 2, 6, 10)] == [0, 0.25, 0.5, 0.5, 0.5]
    cosine = [rate(settings(annealing="cosine"), epoch) for epoch in (0, 1, 2, 4, 6, 8, 10)]
    assert cosine == pytest.approx([0, 1, 2, 1 + 2**-0.5, 1, 1 - 2**-0.5, 0], abs=1e-12)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 3.0])
def test_half_a_cosine_is_that_of_torch(warmup):
    """Loshchilov and Hutter 2017, stepped after every batch, after the warm-up."""
    found = Config(**{**GOOD, "epochs": 7}, warmup_epochs=warmup, annealing="cosine")
    steps = 10  # an epoch
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=found.learning_rate)
    annealed = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, round((7 - warmup) * steps))
    for step in range(round(warmup * steps), 7 * steps + 1):
        assert found.learning_rate_at(step / steps) == pytest.approx(annealed.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        annealed.step()


def test_methods_that_say_otherwise_how_the_rate_falls_refuse_annealing():
    for method, own, more in (
        ("subspaces", "SubspaceConfig", {}),
        ("critical_periods", "PeriodsConfig", {"protocol": "window", "rate": "constant"}),
        ("weight_information", "VariationalConfig", {"beta": 1.0}),
    ):
        cls = getattr(importlib.import_module(f"experiments.{method}.config"), own)
        with pytest.raises(InputError, match=r"annealing is 'cosine', but .*; leave it out"):
            cls(**GOOD, **more, annealing="cosine")


def test_images_grow_in_steps_of_32():
    side = Config.resolution_at
    assert [side(settings(), epoch) for epoch in range(10)] == [160] * 6 + [192] * 4
    assert {side(settings(final_resolution=0), epoch) for epoch in range(10)} == {160}
    assert side(settings(grow_from=4, grow_until=4), 5) == 192


def test_resolved_configuration_is_stored(tmp_path):
    stages.done(stages.TRAIN, tmp_path, "digits", epochs=1, warmup_epochs=0, batch_size=400, checkpoints=2)
    run = json.loads((tmp_path / "checkpoints" / "digits_all" / "seed_0" / "run.json").read_text())
    expected = dataclasses.replace(
        config.read(CONFIGS / "digits.yaml"), epochs=1, warmup_epochs=0.0, batch_size=400, checkpoints=2
    )
    assert run["config"] == dataclasses.asdict(expected)
    assert run["schedule"] == [0, 2] and run["seed"] == 0 and run["task"]["classes"] == list(range(10))
    assert Config(**run["config"]) == expected
    assert isinstance(run["versions"]["torch"], str) and Path(CONFIGS / "digits.yaml").exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: 1\nb: 2\na: 3\n", "the key a stands twice.*line 3"),
        ("x:\n  a: 1\n  a: 1\n", "the key a stands twice"),
        ("a: 032\n", "032 is not a plain whole number.*line 1"),
        ("a: 0x10\n", "0x10 is not a plain"),
        ("a: 1_000\n", "1_000 is not a plain"),
        ("a: 1:30\n", "1:30 is not a plain"),
    ],
)
def test_yaml_that_would_be_read_as_something_else_is_refused(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        config.read_yaml(path)


def test_merge_keys_are_no_keys_twice(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("a: &a {k: 1, l: 3}\np: {<<: *a, k: 2}\nq: {<<: *a}\n")
    assert config.read_yaml(path) == {"a": {"k": 1, "l": 3}, "p": {"k": 2, "l": 3}, "q": {"k": 1, "l": 3}}
    path.write_text("a: &a {k: 1}\np: {q: &b {<<: *a, k: 2}}\nz: {<<: *b}\n")
    with pytest.raises(InputError, match="&b holds a merge key"):
        config.read_yaml(path)
