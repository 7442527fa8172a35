"""What leaves the function of a network as it is, and what two networks share."""
