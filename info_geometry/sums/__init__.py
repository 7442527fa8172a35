"""Sums over samples of logarithms of affinities, fast: what `distance` and `geodesic` stand on."""
