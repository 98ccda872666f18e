"""Metrics of scored rows with their intervals, and verdicts on them."""
