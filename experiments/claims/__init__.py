"""The claims of the paper: one file each."""

import info_geometry.figures  # noqa: F401  before matplotlib, whose settings of the user it leaves aside
