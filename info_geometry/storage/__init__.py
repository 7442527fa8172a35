"""What lies on the disk: prediction files, embeddings and tables, and which of them belong together.

Prediction files: `format` is their layout, `quantities` what their numbers mean, `trajectories` reads them, `recorder`
writes them by `writer`, `checking` and `conversion` take whole files.
"""
