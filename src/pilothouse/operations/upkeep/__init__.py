"""Upkeep of a workspace: backups and restores, retention of rows, files that nothing names any more."""
