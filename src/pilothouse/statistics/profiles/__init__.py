"""Mergeable summaries of windows of rows: counts under a specification, outcomes, latencies."""
