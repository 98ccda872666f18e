"""The command line: click commands over the operations. Data goes to stdout, messages to stderr; exit codes are stable."""

import gc

# Imported objects live as long as the program. To search them at every 700th new object costs a few percent of the time to the
# console's first frame.
gc.set_threshold(20_000)
