"""The console: Textual screens over the operations. Holds no rule and no SQL."""

import os

# Textual reads it once, at import: how long an Esc waits for the rest of a key sequence.
os.environ.setdefault("ESCDELAY", "50")
