"""Documents and conditions on the command line: files in and out, and nothing of them on a terminal."""

import hashlib
import io
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.conftest import Answer
from fixtures.registries import Example, make_example
from pilothouse.cli import failures, main
from pilothouse.operations.promotion import promotions

HOSTILE = b"%PDF \x1b]0;owned\x07\x00\xff"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    example = make_example(tmp_path / "work space", demo=True, promotion={"documents": ["validation report"]})
    example.time = datetime.now(UTC)
    example.add_version()
    promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    yield example
    example.close()


@pytest.fixture
def run(example: Example, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str, name: str = "pat") -> Answer:
        given = ["--workspace", str(example.root), "--as", name, *arguments]
        capsys.readouterr()
        code = failures.run(lambda: main.run(given))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "re\x1b[31mport.pdf"
    path.write_bytes(HOSTILE)
    return path


def test_a_document_goes_in_is_decided_on_and_comes_out_as_it_was(run, report: Path, tmp_path: Path) -> None:
    digest = run("evidence", "1", "--digest").out.strip()
    refused = run("approve", "1", "--evidence", digest)
    assert refused.code != 0
    assert 'lacks "validation report", which the policy asks for: pilothouse attach 1' in refused.err

    attached = run("attach", "1", str(report), "--document", "validation report", name="sam")

    assert attached.code == 0, attached.err
    assert 'request 1 has "validation report": 17 bytes, sha256 ' in attached.err
    page = run("evidence", "1").out
    assert "DOCUMENTS" in page
    assert "17 bytes, re" in page
    assert "port.pdf, attached by sam" in page
    assert f"    sha256 {hashlib.sha256(HOSTILE).hexdigest()}" in page.splitlines()
    assert "\x1b[31m" not in page
    assert "owned" not in page
    assert run("approve", "1", "--evidence", digest).code != 0, "that was without the document"
    done = run("approve", "1", "--evidence", run("evidence", "1", "--digest").out.strip())
    assert done.code == 0, done.err

    written = run("document", "1", "validation report", "--output", str(tmp_path / "out.pdf"))
    assert written.code == 0, written.err
    assert (tmp_path / "out.pdf").read_bytes() == HOSTILE
    again = run("document", "1", "validation report", "--output", str(tmp_path / "out.pdf"))
    assert again.code != 0
    assert "exists" in again.err


def test_one_that_is_replaced_says_whose_approval_counts_no_more(example: Example, run, report: Path) -> None:
    example.apply(promotion={"documents": ["validation report"], "approvals": 2})
    run("attach", "1", str(report), "--document", "validation report", name="sam")
    assert run("approve", "1", "--evidence", run("evidence", "1", "--digest").out.strip()).code == 0
    report.write_bytes(b"corrected")

    replaced = run("attach", "1", str(report), "--document", "validation report", name="sam")

    assert "approvals on the document before count no more: pat" in replaced.err
    assert "pilothouse request --again 1" in replaced.err
    page = run("evidence", "1").out
    assert 'does not count, given on another "validation report" than is attached now' in page
    assert "replaced" in page
    assert run("request", "--again", "1", name="sam").code == 0


@pytest.mark.parametrize("source", ["folder", "pipe", "missing", "key", "/dev/zero"])
def test_what_is_no_plain_file_or_a_secret_of_the_workspace_is_refused(
    example: Example, run, tmp_path: Path, source: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (example.root / "state" / "log.key").touch()
    path = example.root / "state" / "log.key" if source == "key" else tmp_path / source
    answer = run("attach", "1", str(path), "--document", "validation report", name="sam")
    assert answer.code != 0
    assert len(answer.err.splitlines()) <= 4, "one line, or the usage above it"
    assert promotions.get_request(example.services, example.actor("vera"), 1).documents == ()


def test_a_document_comes_from_the_input_and_never_goes_to_a_terminal(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(HOSTILE)))
    words = ("attach", "1", "-", "--document", "validation report", "--file-name", "r.pdf")
    assert run(*words, name="sam").code == 0
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    answer = run("document", "1", "validation report", "--output", "-")
    assert answer.code != 0
    assert "a document is not shown on a terminal" in answer.err


def test_a_condition_is_made_listed_and_confirmed(run, report: Path) -> None:
    run("attach", "1", str(report), "--document", "validation report", name="sam")
    digest = run("evidence", "1", "--digest").out.strip()
    half = run("approve", "1", "--evidence", digest, "--on-condition", "reviewed")
    assert "a condition needs all three" in half.err
    wrong = run(
        "approve", "1", "--evidence", digest, "--on-condition", "x", "--confirmed-by", "aud", "--due", "soon"
    )
    assert wrong.code != 0

    words = ("--on-condition", "reviewed after 30 days", "--confirmed-by", "auditor", "--due", "3d")
    done = run("approve", "1", "--evidence", digest, *words)

    assert done.code == 0, done.err
    assert "condition 1: reviewed after 30 days, confirmed by auditor by " in done.err
    listed = run("conditions", "list", name="aud").out
    assert "▶" in listed
    assert "reviewed after 30 days" in listed
    assert "waits for you: condition 1 of delay v1, due" in run("status", name="aud").err
    assert "waits for you" not in run("status", name="vera").err
    assert run("conditions", "confirm", "1", "--reason", "fine", name="pia").code != 0
    assert run("conditions", "confirm", "1", "--reason", "fine", name="aud").code == 0
    assert "no condition is open" in run("conditions", "list").err + run("conditions", "list").out
    assert "confirmed" in run("conditions", "list", "--all").out


def test_the_policy_names_documents_one_by_one(run) -> None:
    words = ("policy", "set", "--document", "bias review", "--document", "model card", "--reason", "bank")
    assert run(*words, name="ada").code == 0
    assert run("policy", "set", "--no-document", "model card", "--reason", "bank", name="ada").code == 0
    shown = run("policy", "show").out
    assert "bias review" in shown
    assert "model card" not in shown


@pytest.mark.parametrize("option", ["--on", "--target"])
def test_on_and_target_are_the_same(run, option: str) -> None:
    for words in (("request", "delay/1", option, "lga"), ("can", "pat", "approve", "delay", option, "lga")):
        answer = run(*words, name="sam")
        assert "lga" in answer.err, answer
        assert "o such option" not in answer.err
