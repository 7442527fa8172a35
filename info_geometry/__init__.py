"""Prediction files -> geometry -> figures.  Knows nothing of networks or data sets."""
