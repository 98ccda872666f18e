"""How much of a proof is run: a short form in the suite, the long one by ``make soak``; and a seed that is told."""

import os
import random


def long() -> bool:
    """True for ``make soak``."""
    return os.environ.get("PILOTHOUSE_SOAK") == "long"


def rounds(short: int, many: int) -> int:
    """How often to try."""
    return many if long() else short


def chance() -> random.Random:
    """Random choices from a seed that is printed (pytest shows it where a test fails); PILOTHOUSE_SEED repeats a run."""
    seed = int(os.environ.get("PILOTHOUSE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"PILOTHOUSE_SEED={seed}")
    return random.Random(seed)
