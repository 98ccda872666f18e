"""Hostile inputs for parsers: drawn from a seed, each judged by the same rule.

The short form (``INPUTS``) runs in the suite; ``make fuzz`` runs the long one. A failure names what draws its input again.
"""

import json
import os
import signal
import time
import traceback
import unicodedata
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

import pytest

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import safe

T = TypeVar("T")

SEED = os.environ.get("FUZZ_SEED", "1")
INPUTS = int(os.environ.get("FUZZ_INPUTS", "30"))
"""Inputs of each parser."""
_FIRST = int(os.environ.get("FUZZ_FIRST", "0"))
LONGEST_LINE = 1_500
"""Characters of a line of an error."""
MOST_LINES = 201
"""Lines of an error: model files have one for each fault."""
CPU_S = 3.0
"""Processor time that an input may take."""
_WALL_S = 60
_REPORTED = 10

DEEP = "[" * 2_000 + "]" * 2_000
ALMOST_DEEP = "[" * 940 + "]" * 940
TOKENS = (
    "9" * 400, "-" + "9" * 5_000, "0x" + "f" * 4_000, "1e999", "-1e999", "1_000", "inf", "nan", "-inf", "NaN", "Infinity",
    "null", "true", "0", "-0", "-1", "9223372036854775808", "1.7e308", "5e-324", "٣", "²", "\0", "\n", "\r\n", "\r", "\t", "",
    "\x1b[31m", "\x9b", "\u202e", "\u200b", "\ufeff", "é", "\U0001f600", "e\u0301" * 50, "'", '"', '"""', "\\", "\\u0000",
    "\\ud800", "[", "]", "{", "}", "[[", "]]", "=", ",", ";", ":", "#", "*", "/", "-", "+", "!", "@", "%", "$HOME", "..", "../",
    "~", "a" * 300, "a" * 20_000, "a." * 2_000 + "a", "[" * 2_000, "{a=" * 2_000, "{" * 70, DEEP, ALMOST_DEEP, "1," * 2_000,
    "2024-02-30", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "100w", "99999999999w", "*/0", "0-99999999", "31",
)  # fmt: skip
"""Texts that have broken parsers."""


def fuzz(name: str, draw: Callable[[Random], T], read: Callable[[T], object]) -> None:
    """Have a parser read drawn inputs. Any value is right, and a PilothouseError of printable, bounded lines."""
    faults: dict[str, str] = {}
    for number in range(_FIRST, _FIRST + INPUTS):
        given = draw(Random(f"{SEED} {name} {number}"))
        fault = _fault_of(read, given)
        if fault is not None:
            kind, told = fault
            again = f"FUZZ_SEED={SEED} FUZZ_FIRST={number} FUZZ_INPUTS=1, parser {name!r}"
            faults.setdefault(kind, f"{told}\n  again: {again}\n  input: {ascii(given)[:300]}")
        if len(faults) >= _REPORTED:
            break
    if faults:
        pytest.fail("\n\n".join(faults.values()), pytrace=False)


def _fault_of(read: Callable[[T], object], given: T) -> tuple[str, str] | None:
    """Kind of what is wrong with the reading, and what is told of it; None where all is well."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"{_WALL_S} seconds have passed")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_WALL_S)
    start = time.thread_time()
    try:
        read(given)
    except PilothouseError as error:
        lines = str(error).split("\n")
        if len(lines) > MOST_LINES:
            return "lines", f"{len(lines)} lines: {ascii(lines[0])[:200]}"
        bad = next((line for line in lines if not _is_safe(line) or len(line) > LONGEST_LINE), None)
        if bad is not None:
            return f"line {_place(error)}", f"{len(bad)} characters: {ascii(bad)[:400]} {_place(error)}"
    except Exception as error:  # noqa: BLE001 - every other exception is the fault that is looked for
        text = ascii(str(error))[:200] if not isinstance(error, ValueError) else ascii(error.args)[:200]
        return f"{type(error).__name__} {_place(error)}", f"{type(error).__name__}: {text} {_place(error)}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    taken = time.thread_time() - start
    return ("time", f"{taken:.1f} s of the processor") if taken > CPU_S else None


def _is_safe(line: str) -> bool:
    """True where a terminal may show a line; marks on letters are counted where it is printed."""
    plain = "".join(letter for letter in line if not unicodedata.combining(letter))
    return safe(plain, len(plain) + 1) == plain


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/pilothouse/" in frame.filename] or frames
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in own[:-4:-1])


def text_like(random: Random, seeds: Sequence[str]) -> str:
    """One of the valid texts with some places changed; now and then made of tokens alone."""
    if random.random() < 0.05:
        return "".join(random.choices(TOKENS, k=random.randint(0, 6)))
    text = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        text = _changed(random, text, seeds)
    return text


def _changed(random: Random, text: str, seeds: Sequence[str]) -> str:
    at = random.randint(0, len(text))
    end = min(len(text), at + random.choice((0, 1, 1, 2, 5, 20, 200)))
    match random.randrange(8):
        case 0:
            return text[:at] + random.choice(TOKENS) + text[at:]
        case 1:
            return text[:at] + random.choice(TOKENS) + text[end:]
        case 2:
            return text[:at] + text[end:]
        case 3:
            return text[:end] + text[at:end] * random.choice((1, 2, 50)) + text[end:]
        case 4:
            return text[:at]
        case 5:
            other = random.choice(seeds)
            return text[:at] + other[random.randint(0, len(other)) :]
        case 6:
            return (
                text[:at] + chr(random.choice((random.randrange(256), random.randrange(0xD800)))) + text[end:]
            )
    words = [(i, word) for i, word in enumerate(text.split(" ")) if word]
    if not words:
        return text
    parts = text.split(" ")
    parts[random.choice(words)[0]] = random.choice(TOKENS)
    return " ".join(parts)


def bytes_like(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the valid byte strings with some bytes flipped, cut out, doubled or put in."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randint(0, len(data))
        end = min(len(data), at + random.choice((1, 1, 2, 8, 64)))
        match random.randrange(6):
            case 0:
                data[at:end] = random.randbytes(end - at)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = random.choice(
                    (b"\0", b"\xff" * 4, random.choice(TOKENS).encode(), random.randbytes(3))
                )
            case 3:
                data[at:at] = data[at:end] * random.choice((1, 2, 30))
            case 4:
                del data[at:]
            case 5 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
    return bytes(data)


def value(random: Random, *, of_json: bool = False) -> Any:
    """A hostile value. ``of_json``: of those that JSON holds."""
    nested: Any = []
    for _ in range(random.choice((1, 5, 40, 60))):
        nested = [nested] if random.random() < 0.5 else {"a": nested}
    values: list[Any] = [
        None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, 5e-324, "", "a", "x" * 3_000,
        "\x1b[31m", "\u202e", "\0", "nan", "1e999", "9" * 400, [], {}, [None], {"": None}, nested, [0] * 300,
        random.choice(TOKENS), random.random() * 10 ** random.randint(-10, 300), "é" * 300,
    ]  # fmt: skip
    values += [float("inf"), float("-inf"), float("nan"), 2**64 - 1]
    values += [10**400, -(10**400), "\ud800"] if of_json else [b"", b"\0" * 9, b"\xff" * 8]
    return random.choice(values)


def changed(random: Random, plain: Any, make: Callable[[Random], Any] = value) -> Any:
    """Plain data with some places replaced, removed, doubled or added."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        plain = _changed_once(random, plain, make)
    return plain


def _changed_once(random: Random, plain: Any, make: Callable[[Random], Any]) -> Any:
    if isinstance(plain, dict) and plain and random.random() < 0.85:
        key = random.choice(list(plain))
        copy = dict(plain)
        match random.randrange(10):
            case 0:
                del copy[key]
            case 1:
                copy[random.choice(("", "x", key + key, "\x1b", "a" * 3_000))] = make(random)
            case _:
                copy[key] = _changed_once(random, copy[key], make)
        return copy
    if isinstance(plain, list) and plain and random.random() < 0.85:
        copied = list(plain)
        at = random.randrange(len(copied))
        match random.randrange(8):
            case 0:
                del copied[at]
            case 1:
                copied = copied * random.choice((2, 50))
            case _:
                copied[at] = _changed_once(random, copied[at], make)
        return copied
    return make(random)


_RAW = {
    "<deep>": DEEP,
    "<almost>": ALMOST_DEEP,
    "<digits>": "9" * 400,
    "<many>": "9" * 5_000,
    "<objects>": '{"a":' * 500,
}


def _json_value(random: Random) -> Any:
    return random.choice(list(_RAW)) if random.random() < 0.3 else value(random, of_json=True)


def json_of(random: Random, plain: Any) -> bytes:
    """JSON of changed data, with what json.dumps cannot write put in, and bytes changed now and then."""
    text = json.dumps(changed(random, plain, _json_value))
    for token, raw in _RAW.items():
        text = text.replace(f'"{token}"', raw)
    data = text.encode()
    return bytes_like(random, (data,)) if random.random() < 0.3 else data
