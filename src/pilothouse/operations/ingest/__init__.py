"""Predictions and outcomes in, from the hub and from files."""
