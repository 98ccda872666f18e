"""Completion of command lines: what is offered where, by the real shells, and without an import of the commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.cli.completion import answer as completion
from pilothouse.cli.completion.scripts import SCRIPTS
from pilothouse.cli.completion.table import words_of
from pilothouse.cli.group import cli
from pilothouse.store.completed_words import KINDS

PROGRAM = Path(sys.executable).parent / "pilothouse"


def offered(root: Path, *words: str) -> list[str]:
    return [word for word, _ in completion.answer(["-w", str(root), *words])]


@pytest.fixture
def desk(workspace, root: Path) -> Path:
    assert workspace("apply", as_name="ada").code == 0
    assert workspace("train", "delay", as_name="ada").code == 0
    return root


def test_commands_options_choices_and_names_are_offered_where_they_may_stand(desk: Path) -> None:
    assert offered(desk, "app") == ["apply", "approve"]
    assert "verify" in offered(desk, "audit", "")
    assert offered(desk, "audit", "ver") == ["verify"]
    assert "--reason" in offered(desk, "request", "delay/1", "--")
    assert "open" in offered(desk, "requests", "--status", "")
    assert offered(desk, "train", "") == ["delay"]
    assert offered(desk, "train", "delay", "") == []
    assert offered(desk, "train", "--reason", "a b", "d") == ["delay"]
    assert offered(desk, "monitor", "delay", "") == ["ewr"]
    assert offered(desk, "deployments", "--model", "d") == ["delay"]
    assert offered(desk, "job", "") == ["1"]
    assert offered(desk, "grant", "pe") == ["petra"]
    assert offered(desk, "grant", "petra", "app") == ["approver"]
    assert offered(desk, "restore", "") == [completion.FILES]
    assert offered(desk, "nonsense", "") == []


def test_every_kind_of_name_has_a_query_that_runs(desk: Path) -> None:
    from contextlib import closing

    from pilothouse.sqlite.connection import connect
    from pilothouse.store import completed_words

    def kinds(node: dict) -> set[str]:
        own = [*node.get("arguments", []), *node["options"].values()]
        below = [kind for one in node.get("commands", {}).values() for kind in kinds(one)]
        return {kind for kind in own if isinstance(kind, str)} | set(below)

    assert kinds(words_of(cli)) - {"", "files"} == KINDS
    with closing(connect(desk / "state" / "registry.db", read_only=True)) as connection:
        for queries in completed_words._QUERIES.values():
            for query in queries:
                connection.execute(query).fetchall()


def test_outside_a_workspace_names_are_not_offered_and_nothing_is_said(tmp_path: Path) -> None:
    done = ask(tmp_path, "train", "")
    assert (done.stdout, done.stderr.count("\n")) == ("", 1), "the scripts drop the line on stderr"
    assert ask(tmp_path, "trai").stdout.startswith("train\t")


def test_a_name_with_a_meaning_to_a_shell_is_not_offered(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [("good", "a\x1b[2Jb"), ("$(rm)", ""), ("a b", ""), ("-x", ""), ("new\nline", "")]
    monkeypatch.setattr("pilothouse.store.completed_words.words", lambda *_: names)
    assert offered(desk, "train", "") == ["good"]
    assert completion._line("a\x1b[2Jb\tc\n") == "a [2Jb c "


def test_an_answer_imports_neither_click_nor_a_command(desk: Path) -> None:
    code = (
        "import sys\nfrom pilothouse.cli.main import run\n"
        f"run(['__complete', '-w', {str(desk)!r}, 'train', ''])\n"
        "heavy = {'click', 'numpy', 'msgspec', 'sqlite_utils', 'pilothouse.store.connection', 'pilothouse.operations'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "delay\tmodel\n"), done.stderr


def ask(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PILOTHOUSE_WORKSPACE"}
    return subprocess.run(
        [PROGRAM, "__complete", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


_ASKED = {
    "bash": """
source ./script
compopt() {{ echo files; }}
complete_line() {{ COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _pilothouse; echo "${{COMPREPLY[@]}}"; }}
complete_line {program} -w {root} train d
complete_line {program} approv
complete_line {program} restore ''
""",
    "fish": """
source ./script
complete -C "{program} -w {root} train d" | cut -f1
complete -C "{program} approv" | cut -f1
complete -C "{program} restore scr" | cut -f1
""",
}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_offers_it(desk: Path, tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its script is not run")
    (tmp_path / "script").write_text(SCRIPTS[shell])
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = _ASKED[shell].format(program="pilothouse", root=desk)
    done = subprocess.run(
        [shell, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split() == ["delay", "approve", "files" if shell == "bash" else "script"], done.stderr


def test_zsh_reads_its_script_and_offers_it(desk: Path, tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed: its script is not run")
    (tmp_path / "script").write_text(SCRIPTS["zsh"])
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = f"""
compdef() {{ :; }}
_files() {{ print files; }}
_describe() {{ shift 2; print -l -- "${{(@P)1}}"; }}
source ./script
words=(pilothouse -w {desk} train d); CURRENT=5; _pilothouse
words=(pilothouse approv); CURRENT=2; _pilothouse
words=(pilothouse restore ''); CURRENT=3; _pilothouse
"""
    done = subprocess.run(
        ["zsh", "-f", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["delay", "approve", "files"], done.stderr


def test_the_manual_page_has_every_command_and_is_sound(pilothouse, tmp_path: Path) -> None:
    page = pilothouse("man", as_name=None).out
    words = json.loads((Path(completion.__file__).with_name("words.json")).read_text())

    def names(node: dict, before: str = "pilothouse") -> list[str]:
        return [
            name
            for word, below in node.get("commands", {}).items()
            for name in (f"{before} {word}", *names(below, f"{before} {word}"))
        ]

    for name in names(words):
        assert '.SS "' + name.replace("-", r"\-") + '"\n' in page
    for line in page.splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or line.split()[0] in (".TH", ".SH", ".SS", ".TP", ".PP", ".B")
    if shutil.which("mandoc"):
        done = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "error"], input=page, capture_output=True, text=True, check=False
        )
        assert done.stdout == ""
