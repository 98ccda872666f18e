"""Libraries of serving processes, imported once by the process from which they are forked."""

import contextlib
import gc
import importlib
import sys
from collections.abc import Sequence

LIBRARIES = (
    "pilothouse.serving.process",
    "pilothouse.inference.portable.model",
    "scipy.special",
    "scipy.sparse",
)
"""Modules that every serving process uses."""
SKOPS_LIBRARIES = ("pandas", "skops.io", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline")
"""Modules that reading a skops file imports, and the models in it."""


def prepare(libraries: Sequence[str]) -> None:
    """Import what serving processes use, those that are forked from now on. A missing library fails only the model that needs
    it."""
    if all(name in sys.modules for name in libraries):
        return
    gc.unfreeze()
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a child's collector shall not touch, and so copy, what all children share
