"""Files that survive faults, and errors a user can act on.  Knows nothing but files."""

from info_geometry.files.atomic import atomic_path, remove_orphans, write_text, writing
from info_geometry.files.errors import InputError, command, first_line, log
from info_geometry.files.locks import HeldError, holder, lock
from info_geometry.files.machine import ROOT, free_memory, threads, valid_name, versions

__all__ = [
    "ROOT",
    "HeldError",
    "InputError",
    "atomic_path",
    "command",
    "first_line",
    "free_memory",
    "holder",
    "lock",
    "log",
    "remove_orphans",
    "threads",
    "valid_name",
    "versions",
    "write_text",
    "writing",
]
