"""Which maps of hidden layers leave a network's function alone, and how alike the layers of two networks are."""
