"""Jobs: queued, prepared, attempted, logged, their results recorded."""
