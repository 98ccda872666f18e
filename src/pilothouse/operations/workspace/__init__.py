"""The workspace itself: made, applied, backed up, restored, checked, looked at in its past."""
