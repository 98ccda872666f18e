"""Screens from a request to a roll-out."""
