"""Texts to read: one record as lines of cells."""
