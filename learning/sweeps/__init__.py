"""What a sweep is going to do, what it takes, and how far it is: from grids and folders alone."""
