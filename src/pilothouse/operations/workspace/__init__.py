"""The workspace itself: created, applied, backed up, restored, checked, shown as it was."""
