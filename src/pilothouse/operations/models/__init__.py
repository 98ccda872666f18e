"""Models and versions: comparisons, lineage, effects of a bad input."""
