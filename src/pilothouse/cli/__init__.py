"""The command line: click commands over the operations. stdout is data, stderr is words, exit codes are an interface."""

import gc

# What a program imports lives as long as it does: looking through it at every 700th new object is some hundredths of the time
# to the console's first frame.
gc.set_threshold(20_000)
