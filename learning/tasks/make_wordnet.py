"""Make wordnet.json: the synsets of the classes of all data sets that state some, with all their hypernyms.

    python -m learning.tasks.make_wordnet [--data-noun /usr/share/wordnet/data.noun] [--imagenet FOLDER_OR_LIST]

reads the nouns of WordNet 3.0 (Debian's package wordnet-base) and writes `wordnet.json` and `WORDNET_LICENSE` beside
this file, in about 2 seconds.  Both are kept in the repository: make them again only when a data set in datasets.py
states other synsets.  Those of ImageNet's classes are the names of its folders, which --imagenet reads.
A synset is named as in ImageNet: `n` and the 8 digits of its place in data.noun.
"""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from info_geometry.files import InputError, command, write_text
from learning.tasks.datasets import DATASETS, class_synsets, facts
from learning.tasks.wordnet import WORDNET

LICENSE = WORDNET.with_name("WORDNET_LICENSE")
SOURCE = "WordNet 3.0, data.noun; made by make_wordnet.py"
NOTICE = "WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. See WORDNET_LICENSE."


def read_lines(data_noun: str | Path) -> list[str]:
    """Return the lines of WordNet 3.0's data.noun; raise InputError for anything else."""
    try:
        lines = Path(data_noun).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{data_noun}: cannot be read ({error}); install Debian's wordnet-base or name the file with --data-noun"
        ) from None
    if not any("WordNet 3.0 Copyright" in line for line in lines[:40]):
        raise InputError(f"{data_noun}: not the nouns of WordNet 3.0 (other versions number their synsets differently)")
    return lines


def parse_license(lines: Sequence[str]) -> str:
    """Return the licence text, which is the indented and numbered header of data.noun."""
    header = [line for line in lines if line.startswith("  ")]
    return "\n".join(re.sub(r"^ *[0-9]+ ?", "", line).rstrip() for line in header) + "\n"


def parse_synsets(lines: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """Return {synset: (first lemma, hypernyms)}, instance hypernyms included, of every noun of WordNet.

    A line is: offset, file number, type, number of words (hex), (word, lex id) for each, number of pointers,
    (symbol, offset, part of speech, source/target) for each, `|`, gloss.
    """
    synsets = {}
    for line in lines:
        if line.startswith("  "):
            continue
        fields = line.split(" | ")[0].split()
        try:
            start = 4 + 2 * int(fields[3], 16)
            pointers = [fields[start + 1 + 4 * k : start + 5 + 4 * k] for k in range(int(fields[start]))]
            hypernyms = [f"n{target}" for symbol, target, _, _ in pointers if symbol in ("@", "@i")]
            synsets[f"n{fields[0]}"] = (fields[4].replace("_", " "), hypernyms)
        except (IndexError, ValueError):
            raise InputError(f"data.noun: cannot be parsed at {line[:60]!r}; the file is damaged") from None
    return synsets


def read_imagenet(path: str | Path) -> list[str]:
    """Return the synsets of ImageNet's classes, from class folders or the lines of a file, in class order."""
    path, count = Path(path), facts("imagenet").classes
    try:
        words = [each.name for each in path.iterdir() if each.is_dir()] if path.is_dir() else path.read_text().split()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected ImageNet's train folder or a list") from None
    synsets = sorted({word for word in words if re.fullmatch("n[0-9]{8}", word)})
    if len(synsets) != count:
        raise InputError(f"{path}: found {len(synsets)} synsets, expected {count} such as n01440764")
    return synsets


def make(data_noun: str | Path, imagenet: list[str]) -> tuple[str, str]:
    """Return the texts of wordnet.json and of the licence, from the path of data.noun and ImageNet's synsets.

    Raises InputError where the file cannot be read, is damaged, or lacks one of the synsets.
    """
    lines = read_lines(data_noun)
    nouns = parse_synsets(lines)
    stated = {name: list(each.synsets) for name, each in DATASETS.items() if each.synsets}
    classes = {"imagenet": imagenet, **dict(sorted(stated.items()))}
    kept, waiting = {}, [synset for ids in classes.values() for synset in ids]
    while waiting:
        synset = waiting.pop()
        if synset not in nouns:
            raise InputError(f"{data_noun}: synset {synset} is not there; expected the complete nouns of WordNet 3.0")
        if synset not in kept:
            name, hypernyms = nouns[synset]
            kept[synset] = {"name": name, "hypernyms": hypernyms}
            waiting += hypernyms
    class_lines = [f"{json.dumps(name)}: [\n{_wrap(ids)}\n]" for name, ids in classes.items()]
    synset_lines = [f"{json.dumps(synset)}: {json.dumps(kept[synset])}" for synset in sorted(kept)]
    text = (
        f'{{\n"source": {json.dumps(SOURCE)},\n"licence": {json.dumps(NOTICE)},\n'
        f'"classes": {{\n{_join(class_lines)}\n}},\n"synsets": {{\n{_join(synset_lines)}\n}}\n}}\n'
    )
    return text, parse_license(lines)


def _wrap(ids):
    return _join([", ".join(json.dumps(each) for each in ids[k : k + 8]) for k in range(0, len(ids), 8)])


def _join(lines):
    return ",\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-noun", default="/usr/share/wordnet/data.noun", help="WordNet 3.0's nouns (%(default)s)")
    parser.add_argument("--imagenet", help="ImageNet's train folder or file of one synset a line (default: unchanged)")
    options = parser.parse_args(argv)
    imagenet = read_imagenet(options.imagenet) if options.imagenet else class_synsets("imagenet")
    text, licence = make(options.data_noun, imagenet)
    write_text(WORDNET, text)
    write_text(LICENSE, licence)
    print(f"{WORDNET}: {len(json.loads(text)['synsets'])} synsets\n{LICENSE}")


if __name__ == "__main__":
    command(main)
