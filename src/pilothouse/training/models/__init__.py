"""Estimators: built, fitted, scored, described."""
