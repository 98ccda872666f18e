"""Keys of specifications that are stored otherwise than they are written, and the type of a duration.

Beside the specification itself, since whoever reads any record needs these, and few the whole of that.
"""

from typing import NewType

Duration = NewType("Duration", int)
"""Seconds, written in the file as a number with one of the units s, m, h, d, w."""

STORED_KEYS = {"outcome_delay": "truth_delay"}
"""Keys that were renamed, with the name that they keep in stored specifications: these are hashed, and so are the requests of
steps that hold them, whose results are found again by that. A model file may use either name."""

LATER_KEYS = frozenset(
    {
        "missing",
        "csv",
        "block",
        "require",
        "preprocessing",
        "portable",
        "inventory",
        "signature",
        "teams",
        "documents",
        "plan",
        "replay",
        "connection",
        "contract",
    }
)
"""Keys of later releases: not stored where they are not given, so that specifications from before keep their digest."""
