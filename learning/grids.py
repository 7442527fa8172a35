"""Grid files: which runs a sweep takes.  Imports no torch.

    - name: fine-tuning                 of the grid, for what is printed; may be left out
      stage: experiments.fine_tuning.01_training.train_fine_tuned      the module that trains
      config: fashion                   its configuration
      task: [clothing, footwear]        default: all
      seed: [0, 1, 2]                   default: 0
      settings: {learning_rate: [0.01, 0.1], optimiser: adam}          keys of the configuration
      arguments: {start: all, checkpoint: [0, 39]}                     arguments that only this method has
      imprint: ["", --temperature fitted]      options of stage 2, which stores predictions for each; default: ""
      store: experiments.subspaces.02_sampling.sample_subspace         another stage 2 than that of most experiments

A file holds one grid, or a list of them.  Runs are the product of all lists.  Settings that have several values name
the variant of a run, such as `lr0.01`; `variant: NAME` names it besides.

Values that belong together are levels, which have names of their own and say several keys each:

      settings:
        network: {linear: {network: linear, rate_factor: 0.15}, vit7: {network: vit, patch: 7}}
        batch_size: [200, 500]

A level is always part of the variant, `vit7-bs200`.  `--set network=vit7` takes that one alone, of grids
with levels.
"""

import collections
import dataclasses
import difflib
import itertools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from info_geometry.files import ROOT, InputError, valid_name
from learning.config import read_yaml

KEYS = ("name", "stage", "config", "task", "seed", "variant", "settings", "arguments", "imprint", "store")
STORE = "supervised_imagenet.02_imprinting.store_predictions"


class Level(NamedTuple):
    """Values that belong together: its name, and {key: value} as pairs of words of a command line."""

    name: str
    pairs: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Grid:
    """Runs of one configuration, whose values are tuples.

    settings, arguments: key -> its values, as words of a command line; of settings, or its levels.  imprint: options of
    stage 2, as texts.
    """

    stage: str
    config: str
    name: str = ""
    task: tuple[str, ...] = ("all",)
    seed: tuple[str, ...] = ("0",)
    variant: str = ""
    settings: Mapping[str, tuple[str | Level, ...]] = dataclasses.field(default_factory=dict)
    arguments: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    imprint: tuple[str, ...] = ("",)
    store: str = STORE

    def combinations(self) -> list[tuple[str, ...]]:
        """Return the words of stage 1 for all that is not task or seed, one tuple a combination."""
        found = []
        for values in itertools.product(*self.settings.values()):
            chosen = dict(zip(self.settings, values))
            variant = "-".join(filter(None, [self.variant, *map(self._part, chosen.items())]))
            named = ("--variant", variant) if variant else ()
            for own in itertools.product(*self.arguments.values()):
                pairs = [*_pairs(chosen), *zip(self.arguments, own)]
                words = itertools.chain.from_iterable((f"--{key}", value) for key, value in pairs)
                found.append((self.config, *words, *named))
        return found

    def runs(self) -> list[tuple[str, ...]]:
        """Return the words of stage 1 for each run."""
        return [
            (*words, "--task", task, "--seed", seed)
            for words in self.combinations()
            for task in self.task
            for seed in self.seed
        ]

    def stored(self, name: str, seed: int) -> list[tuple[str, ...]]:
        """Return the words of stage 2, for a run that was trained, for each way of imprinting it."""
        return [(name, "--seed", str(seed), *shlex.split(each)) for each in self.imprint]

    def _part(self, setting):
        """Return what a setting adds to the variant: nothing unless it varies, else `lr0.01`, `adam`, ..."""
        key, value = setting
        if isinstance(value, Level):
            return value.name
        if len(self.settings[key]) < 2:
            return ""
        short = "".join(word[0] for word in key.split("_")) if "_" in key else key
        return value if value[0].isalpha() and value not in ("true", "false") else short + value


def read(
    path: str | Path,
    seeds: Sequence[int] | None = None,
    changes: Sequence[str] = (),
    among: Sequence[int] | None = None,
) -> list[Grid]:
    """Return the grids in a file; seeds: instead of theirs.  changes: `key=value[,value...]`, of any of them.

    among: of the seeds of each grid these alone; a grid that has none of them is left out.

    A key that some grid has among its arguments is changed there alone, any other key in the settings of all.
    Raises InputError naming the file and the key.
    """
    found = read_yaml(path)
    entries = found if isinstance(found, list) else [found]
    grids = [
        _grid(entry, f"{path}: grid {number}" if len(entries) > 1 else f"{path}")
        for number, entry in enumerate(entries)
    ]
    own = {key for grid in grids for key in grid.arguments}
    for change in changes:
        key, equals, text = change.partition("=")
        if not key or not equals or not text:
            raise InputError(f"--set {change!r}: expected key=value, or key=value,value,...")
        grids = _changed(grids, "arguments" if key in own else "settings", key, text.split(","))
    if seeds is not None:
        grids = [dataclasses.replace(grid, seed=tuple(map(str, seeds))) for grid in grids]
    if among is not None:
        wanted = set(map(str, among))
        grids = [dataclasses.replace(grid, seed=tuple(s for s in grid.seed if s in wanted)) for grid in grids]
        grids = [grid for grid in grids if grid.seed]
        if not grids:
            raise InputError(f"{path}: no grid has a seed among {', '.join(map(str, among))}")
    for grid in grids:
        _check_distinct(grid, path)
    return grids


def _changed(grids, place, key, words):
    """Return grids of which one key has other values.

    Where these are names of levels, a grid keeps those of its levels, and one that has others alone is left out.
    """
    names = {value.name for grid in grids for value in grid.settings.get(key, ()) if isinstance(value, Level)}
    chosen = names & set(words) if place == "settings" else set()
    if chosen and chosen != set(words):
        other = next(word for word in words if word not in names)
        raise InputError(f"--set {key}={','.join(words)}: {other} is none of the levels {', '.join(sorted(names))}")
    found = []
    for grid in grids:
        there = getattr(grid, place)
        levels = [value for value in there.get(key, ()) if isinstance(value, Level)]
        values = tuple(level for level in levels if level.name in chosen) if chosen else tuple(words)
        if (chosen and not levels) or (place == "arguments" and key not in there):
            found.append(grid)
        elif values:
            found.append(dataclasses.replace(grid, **{place: {**there, key: values}}))
    return found


def _pairs(chosen):
    """Return (key, value) of all settings that are chosen, those of levels one by one."""
    return [
        pair for key, value in chosen.items() for pair in (value.pairs if isinstance(value, Level) else ((key, value),))
    ]


def _grid(entry: Any, where: str) -> Grid:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected lines of the form `key: value` with the keys {', '.join(KEYS)}")
    for key in entry:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            raise InputError(
                f"{where}: unknown key {key}; "
                + (f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}")
            )
    for key in ("stage", "config"):
        if not isinstance(entry.get(key), str):
            raise InputError(f"{where}: {key} is {entry.get(key)!r}; add `{key}: ...`")
    for key, such in (("stage", "supervised_imagenet.01_training.train_imagenet"), ("store", STORE)):
        module = str(entry.get(key, such))
        if not ROOT.joinpath(*module.split(".")).with_suffix(".py").is_file():
            raise InputError(f"{where}: {key} {module!r} is no module here; expected one such as {such}")
    texts = "name", "stage", "config", "variant", "store"
    values: dict[str, Any] = {key: str(entry[key]) for key in texts if key in entry}
    if values.get("variant"):
        valid_name(values["variant"], f"{where}: variant")
    for key in ("task", "seed", "imprint"):
        if key in entry:
            values[key] = _words(entry[key], f"{where}: {key}")
    for key in ("settings", "arguments"):
        given = entry.get(key) or {}
        if not isinstance(given, dict):
            raise InputError(f"{where}: {key} is {given!r}; expected {{key: value, key: [value, value]}}")
        values[key] = {
            str(name): _levels(value, f"{where}: {name}")
            if isinstance(value, dict) and key == "settings"
            else _words(value, f"{where}: {name}")
            for name, value in given.items()
        }
    grid = Grid(**values)
    _check_levels(grid, where)
    return grid


def _levels(given, where):
    """Return the levels of a setting, {name: {key: value}}."""
    found = []
    for name, keys in given.items():
        if not isinstance(keys, dict) or not keys:
            raise InputError(f"{where}: the level {name} is {keys!r}; expected {{key: value, ...}}")
        pairs = []
        for key, value in keys.items():
            if isinstance(value, list):
                raise InputError(f"{where}: {key} of the level {name} is {value!r}; expected one value")
            pairs += [(str(key), word) for word in _words(value, f"{where}: {key} of the level {name}")]
        found.append(Level(str(name), tuple(pairs)))
    if not found:
        raise InputError(f"{where} has no levels; expected {{name: {{key: value, ...}}, ...}}")
    return tuple(found)


def _check_levels(grid, where):
    """Raise InputError where two settings, one of them with levels, say the same key."""
    said = {}
    for name, values in grid.settings.items():
        for key in {key for value in values for key, _ in _pairs({name: value})}:
            if key in said:
                raise InputError(f"{where}: the settings {said[key]} and {name} both say {key}; leave one of them out")
            said[key] = name


def _words(value, where):
    """Return a value, or a list of values, as words of a command line."""
    every = value if isinstance(value, list) else [value]
    if not every or not all(isinstance(each, (str, int, float)) for each in every):
        raise InputError(f"{where} is {value!r}; expected a value or a list of values")
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in every)


def _check_distinct(grid, path):
    twice = [words for words, count in collections.Counter(grid.runs()).items() if count > 1]
    if twice:
        raise InputError(f"{path}: a value is named twice, so that there are two runs {' '.join(twice[0])}")
    for name in {words[words.index("--variant") + 1] for words in grid.combinations() if "--variant" in words}:
        valid_name(name, f"{path}: the variant")
