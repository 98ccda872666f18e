"""How everything is: health, targets, processes, models on targets."""
