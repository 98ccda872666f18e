"""Confinement of processes that run code or model files of others: Landlock, seccomp, namespaces. Standard library and
ctypes only."""
