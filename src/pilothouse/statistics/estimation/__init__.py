"""Estimated performance, before outcomes are known."""
