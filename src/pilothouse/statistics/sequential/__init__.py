"""Verdicts on staged roll-outs that are valid at every look: e-values and confidence sequences. Counts in, values out."""
