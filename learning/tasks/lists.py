"""Lists of classes as people have them: class ids, WordNet synsets or names, in a text or in JSON.

n02869837                       a synset or a name a line, or several; what stands after a synset is its name
n01749939 green mamba
0, 3, 7                         class ids
{"labels": [0, 3, 7]}           or a list alone, of ids, synsets or names
{"n02869837": "bonnet"}         as ImageNet-100 has it
{"0": ["n02869837", "bonnet"]}  as indices of classes have it
"""

import json
import re
from pathlib import Path

from info_geometry.files import InputError
from learning.tasks.datasets import did_you_mean

ENDINGS = (".json", ".txt", ".csv", ".lst")
EXPECTED = 'expected class ids, synsets or names: {"labels": [0, 3, 7]}, or a synset such as n02869837 a line'
SYNSET = re.compile(r"\bn[0-9]{8}\b")


def read(path: str | Path) -> list:
    """Return the classes that a file lists, in its order: whole numbers, or texts.  Raises InputError for no list."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {EXPECTED}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: no text; {EXPECTED}") from None
    if Path(path).suffix == ".json":
        try:
            found = _of_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON ({error}); {EXPECTED}") from None
    else:
        found = _of_text(text)
    if not found:
        raise InputError(f"{path}: no class ids found; {EXPECTED}")
    return found


def _of_json(content):
    """Return the list in JSON, or None where there is none."""
    if isinstance(content, dict) and "labels" in content:
        content = content["labels"]
    if isinstance(content, dict) and content:
        if all(SYNSET.fullmatch(key) for key in content):
            return list(content)
        if not all(key.isdecimal() for key in content):
            return None
        values = [_synset(content[key]) for key in sorted(content, key=int)]
        return values if all(values) else sorted(map(int, content))
    return [_synset(entry) or entry for entry in content] if isinstance(content, list) else None


def _synset(entry):
    """Return the synset that an entry is, or begins with; None if there is none."""
    first = entry[0] if isinstance(entry, list) and entry else entry
    return first if isinstance(first, str) and SYNSET.fullmatch(first) else None


def _of_text(text):
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    synsets = SYNSET.findall("\n".join(lines))
    if synsets:
        return synsets
    words = [word for line in lines for word in re.split("[,;\\s]+", line) if word]
    if words and all(word.isdecimal() for word in words):
        return [int(word) for word in words]
    return [line for line in lines if line]


def ids(entries: list, path: str | Path, known: dict[str, int], what: str) -> list:
    """Return the entries of a list with class ids in place of synsets and names.

    known: name of a class, or synset -> id.  what: the data set, for messages.
    Raises InputError for a text that is none of them.
    """
    folded = {name.casefold(): k for name, k in known.items()}
    found = []
    for entry in entries:
        k = known.get(entry, folded.get(entry.casefold())) if isinstance(entry, str) else entry
        if k is None and isinstance(entry, str):
            raise InputError(f"{path}: {entry!r:.60} is no class of {what}{did_you_mean(entry, known)}")
        found.append(k)
    return found
