"""From a promotion request to a live deployment: evidence, decisions, activation, roll-back."""
