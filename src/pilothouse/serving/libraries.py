"""Libraries of a serving process beside those that every one needs."""

SKOPS_LIBRARIES = ("pandas", "skops.io", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline")
"""Modules that reading a skops file imports, and the models in it."""
