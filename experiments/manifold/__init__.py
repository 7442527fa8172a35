"""Many configurations of networks on one low-dimensional manifold (Mao et al. 2024): what is measured of their runs."""
