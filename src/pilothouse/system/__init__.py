"""Services of the operating system: paths, files, processes, Landlock. Standard library and ctypes only."""
