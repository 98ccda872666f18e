"""Distances between the distributions of two samples, column by column."""
