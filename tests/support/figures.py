"""For the tests of figures: what is drawn in a panel."""

import numpy as np


def drawn(ax, x, y):
    """Return whether there is a line of these points."""
    lines = [np.array(line.get_data(), float) for line in ax.lines]
    return any(line.shape == (2, len(x)) and np.allclose(line, [x, y], equal_nan=True) for line in lines)
