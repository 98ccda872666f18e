"""Predictions on their way to the hub: the spool, its segments, what ships them."""
