"""Fuzzing of what is typed or written as one text: cron, filters, commands, references, times, digests."""

from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

from pilothouse.console.session.command_history import CommandHistory
from pilothouse.console.session.views import Destination, completions, parse_command
from pilothouse.domain import identifiers
from pilothouse.domain.formats.safe_text import one_line, safe, safe_block, safe_json
from pilothouse.domain.formats.time_parsing import moment, parse_moment
from pilothouse.domain.listing import like, parse_filter
from pilothouse.operations.automation.schedule_times import check_rule, gives_either_day, nominal_times
from pilothouse.serving.bodies.tensors import event_time
from pilothouse.store.work.schedules import Rule
from support.fuzzing import TOKENS, fuzz, text_like

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
CRONS = (
    "0 3 * * mon",
    "*/15 0-6,22 1,15 jan-mar 1-5",
    "30 2 29 2 *",
    "0 0 31 * 7",
    "59 23 last * *",
    "0 0 2nd mon * *",
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia")
CELLS = {"model": "flight-delay", "state": "● healthy", "by": "ada", "unit": "cargo"}


def read_cron(given: tuple[str, str]) -> None:
    cron, zone = given
    check_rule(cron, zone)
    gives_either_day(cron)
    rule = Rule(cron, None, zone, NOW)
    times = list(islice(nominal_times(rule, NOW), 3))
    assert times == sorted(set(times))
    assert all(time > NOW for time in times)


def read_filter(text: str) -> None:
    query = parse_filter(text)
    assert isinstance(query.matches(CELLS), bool)
    for predicate in query.predicates:
        assert isinstance(like(predicate.value), str)
        predicate.holds("a" * 5_000)


def read_command(text: str) -> None:
    completions(text, ("flight-delay", "flight-risk"), ("ewr", "jfk"), ("mod",))
    history = CommandHistory()
    history.add(text)
    assert all(line.isprintable() and len(line) <= 400 for line in history.lines)
    read = parse_command(text, {"mod": "models"}, ("flight-delay", "flight-risk"), ("ewr", "jfk"))
    assert isinstance(read, str | Destination)


def read_reference(text: str) -> None:
    identifiers.parse_prediction_id(text)
    read = identifiers.parse_reference(text)
    assert read.number is None or 0 <= read.number < 2**63


def read_name(text: str) -> None:
    assert identifiers.check_name(text, "model") == text
    assert text.isascii()
    assert "/" not in text


def read_time(given: tuple[str, str]) -> None:
    text, zone = given
    for read in (lambda: parse_moment(text, NOW), lambda: moment(text, zone)):
        assert read().tzinfo is UTC


def read_event_time(text: str) -> None:
    assert -(2**63) <= event_time(text, "Europe/Berlin") < 2**63


def read_text(text: str) -> None:
    for limit in (10, 256):
        assert safe(safe(text, limit), limit) == safe(text, limit)
        assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in safe(text, limit))
        assert len(one_line(text, limit)) <= limit
    assert all(safe(line, 200) == line for line in safe_block(text, 200).split("\n"))
    safe_json(text)


def pair(random: Random, texts: Any, others: Any) -> tuple[str, str]:
    other = random.choice(others) if random.random() < 0.8 else text_like(random, others)
    return text_like(random, texts), other


def fields(random: Random) -> tuple[str, str]:
    """Five fields of which each may be of a valid expression, or a token."""
    parts = [random.choice(random.choice(CRONS).split()) for _ in range(5)]
    if random.random() < 0.7:
        parts[random.randrange(5)] = random.choice((*TOKENS, "*/7", "5-1", "1-5/2", "8", "60", "29", "x"))
    return " ".join(parts), random.choice(ZONES)


def test_cron() -> None:
    fuzz(
        "cron",
        lambda random: pair(random, CRONS, ZONES) if random.random() < 0.5 else fields(random),
        read_cron,
    )


def test_filters() -> None:
    seeds = (
        "flight",
        "!flight",
        "-f fdl",
        "model=fl* state!=down",
        "by=ada bu=cargo x",
        "model=" + "*a" * 40,
    )
    fuzz("filter", lambda random: text_like(random, seeds), read_filter)


def test_commands() -> None:
    seeds = (
        "models",
        "versions flight-d",
        "monitor flight-delay ewr",
        "version flight-delay/3",
        "jobs failed",
        "at -7d",
        "mod x",
    )
    fuzz("command", lambda random: text_like(random, seeds), read_command)


def test_references() -> None:
    seeds = ("models:/flight-delay/7", "flight-delay@champion", "flight-delay", "ewr-1.12.3", "a/1")
    fuzz("reference", lambda random: text_like(random, seeds), read_reference)


def test_names_and_digests() -> None:
    fuzz("name", lambda random: text_like(random, ("flight-delay", "a", "ewr-1")), read_name)
    fuzz("digest", lambda random: text_like(random, ("0123456789abcdef" * 4,)), identifiers.check_digest)


def test_times() -> None:
    seeds = ("2013-07-04", "2013-07-04 14:00", "-7d", "2013-07-04T14:00:00+02:00", "-999999w", "2013-W27-4")
    fuzz("time", lambda random: pair(random, seeds, ZONES), read_time)
    fuzz("event time", lambda random: text_like(random, seeds), read_event_time)


def test_texts_for_a_terminal() -> None:
    fuzz("text", lambda random: text_like(random, ("a\tb", "é" * 300, "\x1b]0;x\x07")), read_text)
