"""Whether a distance is more than chance: null distributions, calibration, thresholds, verdicts."""
