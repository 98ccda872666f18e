"""Metrics, lineage and traces for the tools around Pilothouse, and the file that says where they go."""
