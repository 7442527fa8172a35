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

A level is always part of the variant, `vit7-bs200`.  `--set network=vit7` takes that one alone, of grids with levels.
What levels say is not changed by `--set patch=4`, since they would keep their names: that is refused.  `--set
network=mlp` puts a plain value in the place of all levels, and is refused where these do not say `network`, or where
one of them may be meant: where the value is one of theirs (`vit`), or nearly a name of theirs (`vti7`).
"""

import collections
import dataclasses
import difflib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from info_geometry.files import ROOT, InputError, valid_name
from learning.config import read_yaml
from learning.sweeps.grid import STORE, Grid, Level, pairs

KEYS = ("name", "stage", "config", "task", "seed", "variant", "settings", "arguments", "imprint", "store")
BESIDE = "seed", "task", "variant"  # which a grid says beside settings and arguments


def read(
    path: str | Path,
    seeds: Sequence[int] | None = None,
    changes: Sequence[str] = (),
    among: Sequence[int] | None = None,
) -> list[Grid]:
    """Return the grids in a file; seeds: instead of theirs.  changes: `key=value[,value...]`, of any of them.

    among: of the seeds of each grid these alone; a grid that has none of them is left out.

    A key that some grid has among its arguments is changed there alone, any other key in the settings of all.
    Raises InputError naming the file and the key: also for a key that is changed twice, or that levels say.
    """
    found = read_yaml(path)
    entries = found if isinstance(found, list) else [found]
    grids = [
        _grid(entry, f"{path}: grid {number}" if len(entries) > 1 else f"{path}")
        for number, entry in enumerate(entries)
    ]
    grids = _all_changed(grids, changes, path)
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


def _all_changed(grids, changes, path):
    """Return grids with all `key=value[,value...]`; their levels are those that they had before any of these."""
    given = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not key or not equals or not text:
            raise InputError(f"--set {change!r}: expected key=value, or key=value,value,...")
        if key in given:
            raise InputError(f"--set {key} is said twice; say it once, with all values: {key}={given[key]},{text}")
        given[key] = text
    own = {key for grid in grids for key in grid.arguments}
    levels = {
        key: [value for grid in grids for value in grid.settings.get(key, ()) if isinstance(value, Level)]
        for key in given
    }
    for key, text in given.items():
        place = "arguments" if key in own else "settings"
        chosen = _chosen(levels[key], key, text, path) if place == "settings" else set()
        grids = _changed(grids, place, key, text.split(","), chosen)
    if not grids:
        raise InputError(f"{path}: no grid has levels of all that is said by --set {' '.join(changes)}")
    for grid in grids:
        _check_keys(grid, f"{path}: {grid.name}" if grid.name else f"{path}", given)
    return grids


def _chosen(levels, key, text, path):
    """Return the names of levels that `--set key=text` chooses, none where these are plain values.

    Raises InputError for a word that is no level's name where others are, where one may be meant, or where no level
    says the key, so that it has no plain values.
    """
    names, words = {level.name for level in levels}, text.split(",")
    others = [word for word in words if word not in names]
    if not levels or not others:
        return names & set(words)
    said = {value: level.name for level in levels for own, value in level.pairs if own == key}
    meant = {**said, **{name: name for name in names}}
    for word in others:
        near = difflib.get_close_matches(word, meant, n=1)
        if near or len(others) < len(words) or not said:
            raise InputError(
                f"--set {key}={text}: {word} is none of the levels {', '.join(sorted(names))}"
                + (f"; did you mean {meant[near[0]]}?  Another level" if near else "; another one")
                + f" is to be written in {path}"
            )
    return set()


def _changed(grids, place, key, words, chosen):
    """Return grids of which one key has other values.

    chosen: names of levels; a grid keeps those of its levels, and one that has others alone is left out.
    """
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
    _check_keys(grid, where)
    return grid


def _levels(given, where):
    """Return the levels of a setting, {name: {key: value}}."""
    found = []
    for name, keys in given.items():
        if name in ("", None):
            raise InputError(f"{where}: a level has no name, {keys!r}; expected {{name: {{key: value, ...}}}}")
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


def _check_keys(grid, where, given=()):
    """Raise InputError where two settings or arguments say the same key, or one of those that are said beside them.

    given: {key: text} of what --set has changed.
    """
    said = {}
    for name, values in itertools.chain(grid.settings.items(), grid.arguments.items()):
        for key in {key for value in values for key, _ in pairs({name: value})}:
            place = f"{where}: --set {key}={given[key]}" if key in given else where
            if key in BESIDE:
                raise InputError(f"{place}: {key} is no setting; write `{key}: ...` beside settings and arguments")
            if key in said:
                told = "change it in the file, or choose levels without it" if key in given else "leave one of them out"
                raise InputError(f"{place}: the settings {said[key]} and {name} both say {key}; {told}")
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
