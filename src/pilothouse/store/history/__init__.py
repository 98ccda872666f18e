"""Registry as it was at a past moment: temporary views before its tables."""
