"""How long a proof runs, and its seed: short in the suite, long with ``make soak`` (PILOTHOUSE_SOAK=1).

Every proof prints its seed, which pytest shows where it fails; PILOTHOUSE_SEED=NUMBER runs the same again.
"""

import os
import random

LONG = os.environ.get("PILOTHOUSE_SOAK") == "1"


def size(short: int, long: int) -> int:
    """How much of something this run does."""
    return long if LONG else short


def seeded(what: str) -> random.Random:
    """The source of chance of a proof, its seed printed."""
    seed = int(os.environ.get("PILOTHOUSE_SEED") or random.SystemRandom().randrange(2**31))
    print(f"{what}: PILOTHOUSE_SEED={seed}")
    return random.Random(seed)
