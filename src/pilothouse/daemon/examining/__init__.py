"""The daily examination of registry and audit log, in a process of its own."""
