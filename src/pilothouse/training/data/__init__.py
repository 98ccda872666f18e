"""Rows to learn from: read, split in time, checked, digested."""
