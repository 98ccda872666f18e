"""What the operating system gives: paths, files, processes, Landlock. Standard library and ctypes only."""
