"""Networks at the points of subspaces of weights, and what they predict."""
