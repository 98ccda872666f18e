"""Significance of distances: null distributions, calibration, multiplicity, thresholds and verdicts."""
