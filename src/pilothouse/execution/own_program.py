"""What a step's outcome depends on beside its request: this program's code, Python, platform and packages."""

import functools
import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pilothouse
from pilothouse.domain.formats.canonical import canonical_digest

_IN_STEPS = ("training", "inference", "statistics", "tables", "domain", "system")
"""Packages that run inside steps."""
_AROUND_STEPS = ("execution", "confinement")
"""Packages that run them, at both ends of a cluster."""


def environment_facts() -> dict[str, Any]:
    """Python, platform, packages and the program's own code: a change of any of them makes every step run again."""
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "packages": {str(p.name).lower(): p.version for p in metadata.distributions() if p.name},
        "code": _digest_of(_IN_STEPS),
    }


@functools.cache
def environment_digest() -> str:
    """Digest of ``environment_facts``, computed once a process. Two hosts with the same one make the same of a step."""
    return canonical_digest(environment_facts())


@functools.cache
def program_digest() -> str:
    """Digest of the modules that have to be the same at both ends of a cluster."""
    return _digest_of((*_IN_STEPS, *_AROUND_STEPS))


@functools.cache
def _digest_of(packages: tuple[str, ...]) -> str:
    total = hashlib.sha256()
    root = Path(pilothouse.__file__).parent
    for part in packages:
        for file in sorted((root / part).rglob("*.py")):
            total.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return total.hexdigest()
