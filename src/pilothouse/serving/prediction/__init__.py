"""Calls of a model: in the event loop for small requests, in a thread for large ones."""
