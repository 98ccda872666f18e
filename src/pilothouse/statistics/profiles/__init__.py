"""What a window of rows is summed up as: counts under a specification, scores, latencies."""
