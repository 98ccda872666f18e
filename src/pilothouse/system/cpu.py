"""Features of the processor, by which libraries choose among their kernels."""

import functools
from pathlib import Path

_TELLING = ("flags", "Features")
"""Line of /proc/cpuinfo with them, on x86-64 and ARM."""
_NUMERIC = ("sse", "ssse", "avx", "fma", "amx", "f16c", "asimd", "sve", "bf16", "neon")
"""Beginnings of the features that change what a sum of floats may round to."""


@functools.cache
def cpu_features() -> frozenset[str]:
    """Names such as ``avx2`` and ``fma``; empty where the kernel tells none."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in _TELLING:
            return frozenset(word for word in value.split() if word.startswith(_NUMERIC))
    return frozenset()
