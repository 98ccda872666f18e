"""Statistics of windows of rows: profiles, distances, significance, performance. Arrays in, values out; no I/O."""
