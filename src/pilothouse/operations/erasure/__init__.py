"""Erasure of a person's rows: planned by places, ordered, carried out, told by a tombstone, applied again after a restore."""
