"""The linear algebra of InPCA: the spectrum of W, and landmarks for more models than a matrix holds."""
