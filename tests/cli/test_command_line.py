"""Data goes to stdout, messages to stderr; exit codes are stable."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.cli import progress
from pilothouse.cli.group import _COMMANDS, cli
from pilothouse.cli.main import read_options
from pilothouse.cli.output import parse_time
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.assignments import parse_assignments
from support import wait_until
from support.terminals import Terminal


def test_applying_shows_the_plan_changes_once_and_then_nothing(workspace) -> None:
    planned = workspace("apply", "--plan", as_name="ada")
    assert "delay: create" in planned.out
    assert "nothing was changed" in planned.err
    assert workspace("models").err.startswith("no models yet")
    assert "delay: create" in workspace("apply", as_name="ada").out
    assert "delay: unchanged" in workspace("apply", as_name="ada").out
    assert [m["name"] for m in workspace("models", "--json").json] == ["delay"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('owner = "tests"', 'ownr = "tests"', "ownr: unknown key; did you mean owner?"),
        ('target = "late"', 'target = "wind"', "data.features: holds the target 'wind'"),
        ('"load"]', '"lod"]', "lod"),
        ('holdout = "10d"', "holdout = true", "data.holdout: found True; expected a duration"),
        ("rows.csv", "no.csv", "no.csv"),
    ],
)
def test_a_faulty_model_file_gets_its_line_and_nothing_is_applied(
    workspace, root: Path, old, new, message
) -> None:
    file = root / "models" / "delay" / "model.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    answer = workspace("apply", as_name="ada")
    assert answer.code == 2
    assert answer.out == ""
    assert message in answer.err
    assert "delay/model.toml" in answer.err
    assert workspace("models", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("versions", "nope"), 3, "no model 'nope'"),
        (("show", "delay/9"), 3, "delay"),
        (("show", "../etc"), 2, "does not name a version"),
        (("job", "99"), 3, "99"),
        (("train", "delay", "--set", "gates.latency=1"), 2, "gates"),
        (("train", "delay", "--set", "nonsense"), 2, "KEY=VALUE"),
        (("train", "delay", "--as-of", "soon"), 2, "ISO 8601"),
        (("rollback", "delay", "--reason", "x"), 5, "delay"),
        (("approve", "7", "--evidence", "0" * 64), 3, "7"),
        (("nonsense",), 2, "nonsense"),
        (("reject", "1"), 2, "--reason"),
    ],
)
def test_wrong_input_gets_one_clear_line(workspace, arguments, code, message) -> None:
    workspace("apply", as_name="ada")
    answer = workspace(*arguments)
    assert answer.code == code, answer
    assert answer.out == ""
    assert answer.err.startswith("pilothouse: ")
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "Traceback" not in answer.err


def test_what_a_role_does_not_allow_is_refused_with_the_role_needed(workspace) -> None:
    workspace("apply", as_name="ada")
    answer = workspace("train", "delay", as_name="petra")
    assert answer.code == 4
    assert "petra" in answer.err
    assert "data-scientist" in answer.err


def test_another_name_is_let_through_only_in_a_demo_workspace(pilothouse) -> None:
    assert pilothouse("init", "--admin", "olga", as_name=None).code == 0
    answer = pilothouse("whoami", as_name="olga")
    assert answer.code == 4
    assert "cannot act as somebody else" in answer.err


def test_on_a_terminal_alone_audit_verify_says_how_far_it_is(workspace, root: Path) -> None:
    quiet = workspace("audit", "verify")
    assert quiet.err.count("\n") == 1
    assert "entries verified, and every row is what they say; head" in quiet.err
    command = [str(Path(sys.executable).with_name("pilothouse")), "--workspace", str(root), "audit", "verify"]
    with Terminal(root, command=command) as terminal:
        terminal.process.wait(60)
        written = terminal.read_all().decode()
    count = workspace("audit", "head").out.partition(":")[0]
    assert f"\r\x1b[K{count} of {count} entries verified" in written
    assert f"\r\x1b[K{count} entries verified, and every row is what they say; head" in written, (
        "in its place"
    )


def test_what_takes_long_without_a_word_is_shown_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    shown.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(progress, "_SILENCE_S", 0.0)
    with progress.step() as say:
        assert say is not None
        say("check 2 of 21: registry")
        wait_until(
            lambda: re.search(r"\r\x1b\[Kcheck 2 of 21: registry \(\d+ s\)$", shown.getvalue()) is not None
        )
    assert shown.getvalue().endswith("\r\x1b[K"), "the line is gone at the end"


def test_the_audit_log_verifies_and_its_head_can_be_kept(workspace, root: Path) -> None:
    head = workspace("audit", "head").out.strip()
    workspace("apply", as_name="ada")
    assert workspace("audit", "verify", "--head", head).code == 0
    count, _, digest = head.partition(":")
    forged = workspace("audit", "verify", "--head", f"{count}:{'0' * len(digest)}")
    assert forged.code == 6
    exported = workspace("audit", "export").out.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == list(range(1, len(exported) + 1))
    table = workspace("audit", "export", "--format", "csv", "--actor", "ada", "--since", "2020-01-01").out
    assert table.startswith("seq,recorded_at,actor,action,subject,detail,previous,hash,rows\n")
    assert "model.created" in table
    assert "no entry fits" in workspace("audit", "export", "--subject", "request*").err


def test_pausing_automation_is_seen_in_the_status(workspace) -> None:
    workspace("apply", as_name="ada")
    assert workspace("pause", "--reason", "storm", as_name="otto").code == 0
    answer = workspace("status")
    assert "automation is paused by otto: storm" in answer.err
    assert workspace("resume", as_name="otto").code == 0
    assert "paused" not in workspace("status").err


def test_every_command_has_help_and_its_line() -> None:
    for name in _COMMANDS:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert command.help, name


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from pilothouse.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'sklearn', 'scipy', 'textual', 'plotext', 'sqlite_utils', 'numpy', 'apscheduler'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_outside_a_workspace_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse.cli.main", "models"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("pilothouse: no workspace in ")
    assert "pilothouse init" in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = '"$0" -m pilothouse.cli.main --help | head -1; exit ${PIPESTATUS[0]}'
    command = ["bash", "-c", line, sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


def test_without_a_terminal_the_console_ends_with_2(workspace, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "the console needs a terminal" in done.stderr


def test_a_full_disk_under_the_output_is_a_line_and_no_internal_error() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "pilothouse.cli.main", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 7
    assert result.stderr == (
        "pilothouse: what was to be written: No space left on device; check the disk and its rights\n"
    )


def test_overrides_keep_their_types() -> None:
    assert parse_assignments(("a.b=3", "c=0.5", "d=true", "e=90d")) == {
        "a.b": 3,
        "c": 0.5,
        "d": True,
        "e": "90d",
    }


def test_times_without_a_zone_are_utc() -> None:
    time = parse_time("2013-05-03 14:05")
    assert time is not None
    assert time.isoformat() == "2013-05-03T14:05:00+00:00"
    with pytest.raises(InvalidInputError, match="ISO 8601"):
        parse_time("yesterday")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-w", "somewhere"],
        ["--as", "pat", "--workspace", "some where"],
        ["--at", "-7d", "-w", "--as"],
    ],
)
def test_options_alone_are_read_as_click_reads_them(arguments: list[str]) -> None:
    read = read_options(arguments)
    assert read is not None
    context = cli.make_context("pilothouse", list(arguments), resilient_parsing=True)
    values = {name: str(value) for name, value in context.params.items() if value not in (None, False)}
    assert read == values


@pytest.mark.parametrize(
    "arguments",
    [
        ["models"],
        ["--json"],
        ["-w"],
        ["-w", "a", "-w", "b"],
        ["--as=pat", "models"],
        ["-wx", "y"],
        ["-w", __file__],
    ],
)
def test_whatever_else_is_given_is_left_to_click(arguments: list[str]) -> None:
    assert read_options(arguments) is None


def test_a_group_of_commands_alone_shows_its_help_with_its_lines(workspace) -> None:
    answer = workspace("audit")
    assert answer.code == 2
    assert answer.err.startswith("Usage: pilothouse audit")
    assert answer.err.count("\n") > 5


def test_the_status_of_a_daemon_that_does_not_run_says_no_more_than_is_known(workspace) -> None:
    said = workspace("daemon", "status")
    assert said.code == 7
    assert "does not run, and none has run yet; pilothouse daemon start starts it" in said.out
    assert "isolation" not in said.out
    assert "running" not in said.out
