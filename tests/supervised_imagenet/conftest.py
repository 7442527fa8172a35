"""Folders of images, packed and not, for all tests of packing."""

from tests.support.packing import many, mine, packed_copy, source, target  # noqa: F401 - fixtures
