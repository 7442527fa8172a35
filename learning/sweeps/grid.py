"""A grid: the runs of one configuration, and levels of its settings, as learning/grids.py reads it; no torch."""

import dataclasses
import itertools
import shlex
from collections.abc import Mapping
from typing import NamedTuple

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
                told = [*pairs(chosen), *zip(self.arguments, own)]
                words = itertools.chain.from_iterable((f"--{key}", value) for key, value in told)
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


def pairs(chosen: Mapping[str, str | Level]) -> list[tuple[str, str]]:
    """Return (key, value) of all settings that are chosen, those of levels one by one."""
    return [
        pair for key, value in chosen.items() for pair in (value.pairs if isinstance(value, Level) else ((key, value),))
    ]
