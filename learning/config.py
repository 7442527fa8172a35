"""Configurations: short YAML files, checked against a frozen dataclass, any key of which the command line overrides."""

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml

from info_geometry.files import InputError

C = TypeVar("C", bound="Config")
SHAPE = ("width", "depth", "widths", "patch", "heads")  # keys of which a network takes some (learning.networks.zoo)


@dataclasses.dataclass(frozen=True)
class Config:
    """How networks are trained on the tasks of one data set, and where checkpoints are taken.

    The learning rate rises linearly from 0 to its peak over `warmup_epochs`, then falls to 0 as `annealing` says,
    linearly or as half a cosine, or is constant.  The peak is `learning_rate` for batches of `base_batch_size` (0: of
    any size) and proportional to the batch.
    `optimiser` is SGD with `momentum` (Nesterov's, or plain with `nesterov: false`), Adam, or AdamW; `weight_decay` is
    of convolutions and linear maps alone, with `decay: all_but_bn` of all but norm layers called so, as published, or
    with `decay: everything` of all.
    Processes go through their share of a batch in parts of `micro_batch_size` (0: at once), over which norm layers
    average; their running statistics are those of the first part of each batch.
    `width` is that of the network's first layer, to which its others are in proportion (0: its own).  Some networks
    also take a `depth`, `widths` of all hidden layers (256-128), the side of a `patch` in pixels, and `heads`.
    `initialisation: kaiming` draws initial weights anew, for any network (learning.networks.initialisation).
    `augmentation` of images in memory is `crop_flip`, a shift and a mirror image, or `full`, a part of the image, a
    mirror image, other colours and a hole (learning.data.warps); of image files `random_resized_crop`.
    `schedule: geometric` takes about `checkpoints` of them at steps that grow geometrically; `schedule: epochs` takes
    `per_epoch` in each of the first `dense_epochs`, then one an epoch; `schedule: thinning` some in the first 5 epochs,
    later one an epoch, and ever fewer, as Mao et al. (2024).  Initial weights always come first.
    Training images grow from `resolution` to `final_resolution` pixels between epochs `grow_from` and `grow_until`.
    The accuracy on evaluation images is logged every `evaluate_every` epochs and at the end (0: never).
    `precision` and `evaluation_precision` are those of convolutions on a GPU; on CPU all is float32.
    """

    dataset: str
    network: str
    epochs: int
    batch_size: int
    learning_rate: float
    width: int = 0
    depth: int = 0
    widths: str = ""
    patch: int = 0
    heads: int = 0
    initialisation: str = "default"
    base_batch_size: int = 0
    micro_batch_size: int = 0
    warmup_epochs: float = 1.0
    annealing: str = "linear"
    optimiser: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True  # where there is momentum
    weight_decay: float = 5e-4
    decay: str = "matrices"
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
        "initialisation": ("default", "kaiming"),
        "annealing": ("linear", "cosine", "constant"),
        "optimiser": ("sgd", "adam", "adamw"),
        "decay": ("matrices", "all_but_bn", "everything"),
        "augmentation": ("none", "crop_flip", "full", "random_resized_crop"),
        "schedule": ("geometric", "epochs", "thinning"),
        "precision": ("float32", "bfloat16"),
        "evaluation_precision": ("float32", "float16", "bfloat16"),
    }
    POSITIVE: ClassVar = ("epochs", "batch_size", "learning_rate", "checkpoints", "per_epoch", "evaluation_batch_size")
    SIGNED: ClassVar = ()  # keys that may be negative
    UNUSED: ClassVar = {}  # keys that a method does not use: why

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in self.CHOICES and value not in self.CHOICES[field.name]:
                raise InputError(f"{field.name} is {value!r}, expected one of {', '.join(self.CHOICES[field.name])}")
            if isinstance(value, (int, float)) and (
                not math.isfinite(value)
                or (field.name not in self.SIGNED and value < 0)
                or (field.name in self.POSITIVE and value == 0)
            ):
                raise InputError(
                    f"{field.name} is {value}, expected a {'positive' if value == 0 else 'finite'} number"
                    + (" that is not negative" if value < 0 else "")
                )
        self.refuse(self.UNUSED)
        if self.optimiser != "sgd":
            self.refuse(dict.fromkeys(("momentum", "nesterov"), f"the optimiser is {self.optimiser}"))
        if self.label_smoothing > 1:
            raise InputError(f"label_smoothing is {self.label_smoothing}, expected at most 1")
        if self.warmup_epochs >= self.epochs:
            raise InputError(f"warmup_epochs is {self.warmup_epochs}, expected less than epochs ({self.epochs})")

    def refuse(self, unused: Mapping[str, str]) -> None:
        """Raise InputError if a key of `unused`, {key: why}, is not its default."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in unused and value != field.default:
                raise InputError(f"{field.name} is {value!r}, but {unused[field.name]}; leave it out")

    def learning_rate_at(self, epoch: float) -> float:
        """Return the learning rate at `epoch`, a fraction: that of the middle of a step."""
        rise = epoch / self.warmup_epochs if self.warmup_epochs else 1.0
        left = min(1.0, (self.epochs - epoch) / (self.epochs - self.warmup_epochs))
        fall = {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[self.annealing]
        peak = self.learning_rate * (self.batch_size / self.base_batch_size if self.base_batch_size else 1.0)
        return peak * min(rise, fall, 1.0)

    def resolution_at(self, epoch: int) -> int:
        """Return the side of training images in an epoch, a multiple of 32 while it grows; 0: as the images are."""
        if not self.final_resolution or epoch <= self.grow_from:
            return self.resolution
        part = min(1.0, (epoch - self.grow_from) / max(1, self.grow_until - self.grow_from))
        return round((self.resolution + part * (self.final_resolution - self.resolution)) / 32) * 32


def with_defaults(values: Mapping[str, Any], cls: type[Config] = Config) -> dict[str, Any]:
    """Return the values of a configuration, of run.json say, with the defaults of keys that came later."""
    later = {field.name: field.default for field in dataclasses.fields(cls) if field.name not in values}
    return {**values, **{key: value for key, value in later.items() if value is not dataclasses.MISSING}}


def of_run(values: Mapping[str, Any]) -> Config:
    """Return the Config in what run.json holds of the configuration of any method."""
    return Config(**{field.name: values[field.name] for field in dataclasses.fields(Config) if field.name in values})


class _Loader(yaml.SafeLoader):
    """Plain YAML that refuses what YAML 1.1 changes without a word: a key twice, and 032, which is 26."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)  # before merge keys (<<) are put in, which may stand beside others
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        if anchor is not None and "<<" in seen:  # PyYAML then takes the key that was to be replaced
            problem = f"&{anchor} holds a merge key (<<) and may be merged itself; write its keys out"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return node

    def construct_yaml_int(self, node):
        if not re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", node.value):
            problem = f"{node.value} is not a plain whole number; write it in decimal digits, without zeros before it"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node):
        if re.search("[_:]", node.value):
            problem = f"{node.value} is not a plain number; write it in decimal digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def read_yaml(path: str | Path) -> Any:
    """Return what a YAML file holds; raise InputError, naming the file, where that cannot be read."""
    try:
        return _Loader(Path(path).read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = re.sub(r'in "<[\w ]+>", ', "at ", " ".join(str(error).split()))
        raise InputError(f"{path}: not YAML ({text})") from None


def read(path: str | Path, cls: type[C] = Config, overrides: Iterable[tuple[str, str]] = ()) -> C:
    """Return the configuration in a YAML file as a `cls`, with overrides [(key, text)] from the command line.

    Raises InputError naming the file and the key that is unknown, missing, of another type, or has a bad value.
    """
    found = read_yaml(path)
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
