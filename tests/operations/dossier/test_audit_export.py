"""Exports of the audit log: parts of it, and text that neither a spreadsheet nor a terminal obeys."""

import csv
import io
import json
from datetime import timedelta

import pytest

from fixtures.registries import Example
from pilothouse.operations.dossier import audit_export
from pilothouse.operations.dossier.audit_export import Wanted
from pilothouse.store.log import audit

HOSTILE = ("=cmd|'/c calc'!A0", "\t=1+1", "+49", "＝1", "\x1b]0;owned\x07", "\u202egpj.exe\x7f", "  @SUM(1)")


@pytest.fixture
def log(example: Example) -> Example:
    """A log with four entries of two people, an hour apart."""
    for number, (actor, subject) in enumerate(
        [("sam", "request 1"), ("pat", "request 1"), ("sam", "request 17"), ("sam", "delay")]
    ):
        with example.services.registry.transaction() as connection:
            audit.append(
                connection,
                at=example.time,
                actor=actor,
                action="test.done",
                subject=subject,
                detail={"n": number},
            )
        example.pass_time(hours=1)
    return example


def _lines(log: Example, wanted: Wanted) -> list[int]:
    stream = io.StringIO()
    count = audit_export.export(log.services, log.actor("aud"), stream, wanted)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == count
    return [line["detail"]["n"] for line in lines if line["action"] == "test.done"]


def test_a_part_is_what_fits_all_that_is_asked(log: Example) -> None:
    begin = log.time - timedelta(hours=4)
    assert _lines(log, Wanted()) == [0, 1, 2, 3]
    assert _lines(log, Wanted(actor="sam", subject="request 1")) == [0]
    assert _lines(log, Wanted(subject="request 1*")) == [0, 1, 2]
    assert _lines(log, Wanted(subject="request*", since=begin + timedelta(hours=1))) == [1, 2]
    assert _lines(log, Wanted(since=begin + timedelta(hours=1), until=begin + timedelta(hours=3))) == [1, 2]
    assert _lines(log, Wanted(actor="nobody")) == []


def test_an_export_in_many_parts_is_whole(log: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "_AT_ONCE", 3)
    assert _lines(log, Wanted(actor="sam")) == [0, 2, 3]


def test_hostile_text_is_obeyed_neither_by_a_spreadsheet_nor_by_a_terminal(log: Example) -> None:
    with log.services.registry.transaction() as connection:
        for text in HOSTILE:
            audit.append(
                connection, at=log.time, actor=text, action="test.hostile", subject=text, detail={text: text}
            )
    stream = io.StringIO()
    audit_export.export(log.services, log.actor("aud"), stream, form="csv")
    assert not any(character in stream.getvalue() for character in "\x1b\x07\x7f\u202e\t")
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert tuple(rows[0]) == audit_export.COLUMNS
    hostile = [row for row in rows if row["action"] == "test.hostile"]
    assert len(hostile) == len(HOSTILE)
    for row, text in zip(hostile, HOSTILE, strict=True):
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "\t"))
        assert json.loads(row["detail"]) == {text: text}
