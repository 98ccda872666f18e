"""Numbers about windows: specifications, profiles, drift, performance, comparison, thresholds. No I/O."""
