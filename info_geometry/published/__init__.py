"""Published trajectories: downloaded, checked, stored."""
