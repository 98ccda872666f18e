"""Performance of scored rows: metrics with confidence intervals, comparisons, verdicts."""
