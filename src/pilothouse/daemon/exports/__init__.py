"""The daemon's own page of metrics, and its thread that delivers lineage and traces."""
