"""Pilothouse: the terminal operations console for machine-learning models."""

__version__ = "0.1.0"
