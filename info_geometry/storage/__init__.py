"""What lies on the disk: prediction files, embeddings and tables, and which of them belong together."""
