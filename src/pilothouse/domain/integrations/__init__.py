"""What Pilothouse tells the tools around it: metrics, lineage, traces."""
