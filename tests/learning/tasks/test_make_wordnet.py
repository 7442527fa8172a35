"""The table of WordNet is made again identically from WordNet, and from nothing else."""

from pathlib import Path

import pytest

from info_geometry.files import InputError
from learning import tasks
from learning.tasks import make_wordnet, wordnet

DATA_NOUN = Path("/usr/share/wordnet/data.noun")
HEADER = "  14 WordNet 3.0 Copyright 2006 by Princeton University.  \n"


def test_wordnet_table_is_made_again_identically():
    if not DATA_NOUN.exists():
        pytest.skip(f"{DATA_NOUN} not found (Debian: apt-get install wordnet-base)")
    text, licence = make_wordnet.make(DATA_NOUN, tasks.class_synsets("imagenet"))
    assert text == wordnet.WORDNET.read_text(encoding="utf-8")
    assert licence == make_wordnet.LICENSE.read_text(encoding="utf-8")


def test_licence_is_complete():
    words = " ".join(make_wordnet.LICENSE.read_text().split())
    assert words.startswith("This software and database is being provided to you")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in words
    assert words.endswith("LICENSEE agrees to preserve same.")


def test_imagenet_list_from_folder_or_file(tmp_path):
    synsets = tasks.class_synsets("imagenet")
    listing, train = tmp_path / "synsets.txt", tmp_path / "train"
    listing.write_text("\n".join(reversed(synsets)))
    for synset in synsets:
        (train / synset).mkdir(parents=True)
    assert make_wordnet.read_imagenet(listing) == make_wordnet.read_imagenet(train) == synsets
    (train / synsets[5]).rmdir()
    with pytest.raises(InputError, match="found 999 synsets, expected 1000"):
        make_wordnet.read_imagenet(train)
    with pytest.raises(InputError, match="cannot be read"):
        make_wordnet.read_imagenet(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "not the nouns of WordNet 3.0"),
        ("  14 WordNet 3.1 Copyright 2011 by Princeton University.  \n", "not the nouns of WordNet 3.0"),
        (HEADER + "00001740 03 n 01 entity 0 003 ~ 0000", "damaged"),
        (HEADER + "00001740 03 n 01 entity 0 000 | that which is  \n", "is not there; expected the complete nouns"),
    ],
)
def test_bad_wordnet_files(tmp_path, content, message):
    path = tmp_path / "data.noun"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        make_wordnet.make(path, ["n01440764"])


def test_missing_wordnet_is_said(tmp_path):
    with pytest.raises(InputError, match="install Debian's wordnet-base"):
        make_wordnet.make(tmp_path / "data.noun", [])
