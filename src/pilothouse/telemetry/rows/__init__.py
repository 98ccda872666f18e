"""Rows as they were served: stored in columns, read back, erased, deleted with age."""
