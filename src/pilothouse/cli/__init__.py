"""The command line: click commands over the operations. stdout is data, stderr is words, exit codes are an interface."""
