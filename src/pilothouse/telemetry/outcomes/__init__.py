"""Outcomes matched to their predictions, and those that wait."""
