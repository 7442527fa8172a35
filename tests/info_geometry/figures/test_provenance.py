"""Digests of the source: what computes is told from what draws, in every subfolder."""

import shutil

import pytest

from info_geometry.figures import provenance


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("figures/style.py", [False, True]),
        ("figures/page.html", [False, True]),
        ("sums/kernels.py", [True, False]),
        ("storage/runs.py", [True, False]),
        ("inpca.py", [True, False]),
        ("commands/picture.py", [True, False]),
        ("published/fetch.py", [False, False]),
    ],
)
def test_a_comment_changes_the_digest_of_its_part_alone(tmp_path, file, changed):
    package = tmp_path / "info_geometry"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = provenance.digests(package)
    assert before == provenance.digests()
    with open(package / file, "a", encoding="utf-8") as source:
        source.write("# a comment\n")
    provenance.digests.cache_clear()
    after = provenance.digests(package)
    assert [a != b for a, b in zip(before, after)] == changed


def test_a_module_that_moves_changes_the_digest(tmp_path):
    package = tmp_path / "info_geometry"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "sums" / "plain.py").rename(package / "sums" / "torch.py")
    assert provenance.digests(package)[0] != provenance.digests()[0]
