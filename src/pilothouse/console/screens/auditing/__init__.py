"""Screens on the audit log and what is held for it."""
