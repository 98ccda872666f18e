"""Versions that are live: followed, fetched, loaded, measured, swapped."""
