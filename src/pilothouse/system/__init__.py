"""Services of the operating system: paths, files, processes. Standard library and ctypes only."""
