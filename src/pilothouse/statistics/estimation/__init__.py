"""Performance before outcomes are known."""
