"""Trials of roll-outs: pairs of the shadow, arms of the canary, the outcomes of both. No other figure sees them."""
