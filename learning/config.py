"""Configurations: short YAML files, checked against a frozen dataclass, any key of which the command line overrides."""

import argparse
import dataclasses
import difflib
import math
import re
import shlex
import sys
from pathlib import Path
from typing import ClassVar

import yaml

from info_geometry.files import ROOT, InputError, valid_name

FOLDERS = {
    "data": ROOT / "supervised_imagenet" / "data",
    "checkpoints_folder": ROOT / "checkpoints",
    "predictions": ROOT / "predictions",
}  # of all methods
LARGEST_SEED = 2**32 - 1  # torch draws initial weights from 32 bits of a seed


@dataclasses.dataclass(frozen=True)
class Config:
    """How networks are trained on the tasks of one data set, and where checkpoints are taken.

    The learning rate rises linearly from 0 to its peak over `warmup_epochs`, then falls linearly to 0.  The peak is
    `learning_rate` for batches of `base_batch_size` (0: of any size) and proportional to the batch.
    Processes go through their share of a batch in parts of `micro_batch_size` (0: at once), over which norm layers
    average.
    `schedule: geometric` takes about `checkpoints` of them at steps that grow geometrically; `schedule: epochs` takes
    `per_epoch` in each of the first `dense_epochs`, then one an epoch.  Initial weights always come first.
    Training images grow from `resolution` to `final_resolution` pixels between epochs `grow_from` and `grow_until`.
    The accuracy on evaluation images is logged every `evaluate_every` epochs and at the end (0: never).
    `precision` and `evaluation_precision` are those of convolutions on a GPU; on CPU all is float32.
    """

    dataset: str
    network: str
    epochs: int
    batch_size: int
    learning_rate: float
    base_batch_size: int = 0
    micro_batch_size: int = 0
    warmup_epochs: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    augmentation: str = "none"
    schedule: str = "geometric"
    checkpoints: int = 40
    dense_epochs: int = 5
    per_epoch: int = 5
    precision: str = "float32"
    compile: bool = False  # on a GPU
    resolution: int = 0  # 0: as the images are
    final_resolution: int = 0
    grow_from: int = 0
    grow_until: int = 0
    evaluation_resolution: int = 0
    evaluation_batch_size: int = 500
    evaluation_precision: str = "float32"
    evaluate_every: int = 0

    CHOICES: ClassVar = {
        "augmentation": ("none", "crop_flip", "random_resized_crop"),
        "schedule": ("geometric", "epochs"),
        "precision": ("float32", "bfloat16"),
        "evaluation_precision": ("float32", "float16", "bfloat16"),
    }
    POSITIVE: ClassVar = ("epochs", "batch_size", "learning_rate", "checkpoints", "per_epoch", "evaluation_batch_size")
    UNUSED: ClassVar = {}  # keys that a method does not use: why

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in self.CHOICES and value not in self.CHOICES[field.name]:
                raise InputError(f"{field.name} is {value!r}, expected one of {', '.join(self.CHOICES[field.name])}")
            if isinstance(value, (int, float)) and (
                not math.isfinite(value) or value < 0 or (field.name in self.POSITIVE and value == 0)
            ):
                raise InputError(
                    f"{field.name} is {value}, expected a {'positive' if value == 0 else 'finite'} number"
                    + (" that is not negative" if value < 0 else "")
                )
        self.refuse(self.UNUSED)
        if self.label_smoothing > 1:
            raise InputError(f"label_smoothing is {self.label_smoothing}, expected at most 1")
        if self.warmup_epochs >= self.epochs:
            raise InputError(f"warmup_epochs is {self.warmup_epochs}, expected less than epochs ({self.epochs})")

    def refuse(self, unused):
        """Raise InputError if a key of `unused`, {key: why}, is not its default."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in unused and value != field.default:
                raise InputError(f"{field.name} is {value!r}, but {unused[field.name]}; leave it out")

    def learning_rate_at(self, epoch):
        """Return the learning rate at `epoch`, a fraction: that of the middle of a step."""
        rise = epoch / self.warmup_epochs if self.warmup_epochs else 1.0
        peak = self.learning_rate * (self.batch_size / self.base_batch_size if self.base_batch_size else 1.0)
        return peak * min(rise, (self.epochs - epoch) / (self.epochs - self.warmup_epochs), 1.0)

    def resolution_at(self, epoch):
        """Return the side of training images in an epoch, a multiple of 32 while it grows; 0: as the images are."""
        if not self.final_resolution or epoch <= self.grow_from:
            return self.resolution
        part = min(1.0, (epoch - self.grow_from) / max(1, self.grow_until - self.grow_from))
        return round((self.resolution + part * (self.final_resolution - self.resolution)) / 32) * 32


def of_run(values):
    """Return the Config in what run.json holds of the configuration of any method."""
    return Config(**{field.name: values[field.name] for field in dataclasses.fields(Config) if field.name in values})


def read(path, cls=Config, overrides=()):
    """Return the configuration in a YAML file as a `cls`, with overrides [(key, text)] from the command line.

    Raises InputError naming the file and the key that is unknown, missing, of another type, or has a bad value.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: expected lines of the form `key: value` with the keys {', '.join(fields)}")
    values = {}
    for key, value in found.items():
        values[key] = _typed(f"{path}: ", key, value, fields)
    for key, text in overrides:
        values[key] = _typed("--", key, _from_text(text, fields.get(key)), fields)
    missing = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in values]
    if missing:
        raise InputError(f"{path}: {missing[0]} is missing; add `{missing[0]}: ...`")
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _typed(where, key, value, fields):
    if key not in fields:
        near = difflib.get_close_matches(str(key), fields, n=1)
        where, dashes = ("", "--") if where == "--" else (where, "")
        raise InputError(
            f"{where}unknown key {dashes}{key}"
            + (f"; did you mean {dashes}{near[0]}?" if near else f"; there are {', '.join(fields)}")
        )
    wanted = fields[key].type
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        kind = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        advice = f"expected {kind[wanted]}"
        if wanted is float and isinstance(value, str):
            number = _from_text(value, fields[key])
            if isinstance(number, float) and math.isfinite(number):
                advice = f"write {_spelling(value)}"
        raise InputError(f"{where}{key} is {value!r} ({kind.get(type(value), type(value).__name__)}); {advice}")
    return value


def _spelling(text):
    """Return a number as YAML 1.1 wants it: with a point, and a sign before a positive exponent."""
    mantissa, e, exponent = text.strip().lower().partition("e")
    return mantissa + ("" if "." in mantissa or not e else ".0") + (f"e{int(exponent):+d}" if e else "")


def _from_text(text, field):
    """Return a value of the command line as the number or truth its key wants, or as the text it is."""
    truth = {"true": True, "false": False}.__getitem__
    try:
        return {int: int, float: float, bool: truth}[field.type](text)
    except (AttributeError, KeyError, ValueError):
        return text


def training_arguments(description, configs, cls=Config, add=lambda parser: None):
    """Parse the arguments of a stage that trains, as `arguments` does; print the table of --status and exit."""

    def add_all(parser):
        parser.add_argument("--status", action="store_true", help="print a table of all runs, and do nothing else")
        parser.add_argument(
            "--imprint-as-you-go", action="store_true", help="store predictions at each checkpoint instead of weights"
        )
        add(parser)

    options = arguments(description, configs, cls, add_all)
    if options.status:
        from learning.runs import status

        print(status.table(options.checkpoints_folder), flush=True)
        sys.exit(0)
    return options


def arguments(description, configs, cls=Config, add=lambda parser: None):
    """Parse the arguments that all stages share; return them with the configuration, a `cls`, as `.config`.

    `.settings` are the words of CONFIG and of the keys that are overridden, for messages.
    configs: the folder of the method's configurations, so that CONFIG may be `digits` for `<configs>/digits.yaml`.
    add: adds the arguments of one stage to the parser.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog="Any key of the configuration: --key VALUE.  Keys: "
        + ", ".join(field.name for field in dataclasses.fields(cls)),
    )
    names = ", ".join(sorted(path.stem for path in configs.glob("*.yaml")))
    parser.add_argument("config", metavar="CONFIG", nargs="?", help=f"a YAML file, or one of {names}")
    parser.add_argument(
        "--task",
        nargs="+",
        default=["all"],
        metavar="T",
        help="tasks: rules, WordNet synsets, class ids or files; see `python -m learning.tasks list`",
    )
    parser.add_argument("--seed", nargs="+", type=int, default=[0], metavar="S", help="of everything random in a run")
    for name, folder in FOLDERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, default=folder, help="default: %(default)s")
    parser.add_argument("--device", help="cpu, cuda, ...; default: cuda where there is one")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode image files; default: 0")
    parser.add_argument("--part", default="0/1", metavar="I/N", help="of all runs take the I-th, (I+N)-th, ...")
    parser.add_argument("--wait", action="store_true", help="wait for a run that another process is writing")
    add(parser)
    options, rest = parser.parse_known_args()
    if getattr(options, "status", False):  # says how runs are doing, whatever they were configured with
        return options
    if options.config is None:
        parser.error("CONFIG is missing: a YAML file, or one of " + names)
    options.settings = [options.config, *rest]
    options.config = read(_find(options.config, configs), cls, _overrides(rest))
    part = tuple(map(int, options.part.split("/"))) if re.fullmatch("[0-9]+/[0-9]+", options.part) else (0, 0)
    if part[0] >= part[1]:
        raise InputError(f"--part {options.part!r}: expected I/N, such as 0/2 and 1/2 for two processes")
    options.part = part
    wrong = [seed for seed in options.seed if not 0 <= seed <= LARGEST_SEED]
    if wrong:
        raise InputError(
            f"--seed {wrong[0]}: expected whole numbers from 0 to {LARGEST_SEED}; torch draws initial "
            "weights from 32 bits of a seed"
        )
    if options.workers < 0:
        raise InputError(f"--workers is {options.workers}, expected 0 or more")
    valid_name(options.config.dataset, "dataset")
    return options


def advised(module, options, *words):
    """Return a command that can be pasted: of a module, in the same folders as that with these options."""
    folders = [
        (f"--{name.replace('_', '-')}", getattr(options, name))
        for name, folder in FOLDERS.items()
        if getattr(options, name) != folder
    ]
    return shlex.join(["python", "-m", module, *map(str, (*words, *(word for pair in folders for word in pair)))])


def _find(config, configs):
    named = {path.stem: path for path in sorted(configs.glob("*.yaml"))}
    if config not in named and not Path(config).exists():
        near = difflib.get_close_matches(config, named, n=1)
        raise InputError(
            f"{config}: no such file"
            + (f"; did you mean {near[0]}?" if near else f", and none of the configurations {', '.join(named)}")
        )
    return named.get(config, Path(config))


def _overrides(words):
    """Return [(key, text)] from `--key value` and `--key=value`."""
    pairs, words = [], list(words)
    while words:
        key, equals, value = words.pop(0).partition("=")
        if not key.startswith("--") or not (equals or words):
            raise InputError(f"{key!r}: expected --key value for a key of the configuration")
        pairs.append((key[2:].replace("-", "_"), value if equals else words.pop(0)))
    return pairs
