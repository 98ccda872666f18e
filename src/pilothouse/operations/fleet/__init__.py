"""The fleet: health, models on targets, targets, processes."""
