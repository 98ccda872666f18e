"""Programs of this machine that are run: within bounds, and asked for their state."""
