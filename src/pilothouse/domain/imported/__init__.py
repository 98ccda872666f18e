"""Records that come from another registry: what it said, kept apart from what Pilothouse has trained and judged."""
