"""The desk: the process that holds a workspace for one program, and takes its calls."""
