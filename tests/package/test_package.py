"""Wheel and sdist: the same bytes whenever and wherever they are built, whole, and a program that runs from the wheel alone."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.archives import unpack

ROOT = Path(__file__).parents[2]
_SOURCES = ("src", "sample_data", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
_REAL = os.environ.get("PILOTHOUSE_PACKAGE")
"""Set by ``make test-package``, which installs what it builds."""


def build(tree: Path, into: Path, *kinds: str) -> list[Path]:
    """Build distributions of a source tree; returns them by name."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(into)]
    command += [word for kind in kinds for word in ("-t", kind)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=120)
    return sorted(into.iterdir())


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a distribution is built of."""
    pytest.importorskip("hatchling", reason="hatchling builds the distributions")
    folder = tmp_path_factory.mktemp("a tree")
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and sdist of it."""
    wheel, sdist = build(tree, tmp_path_factory.mktemp("built"), "sdist", "wheel")
    return wheel, sdist


def test_the_sdist_builds_the_same_wheel_to_the_byte_elsewhere_and_later(built, tmp_path: Path) -> None:
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        unpack(archive, tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    os.utime(unpacked / "src" / "pilothouse" / "__init__.py")
    (from_sdist,) = build(unpacked, tmp_path / "third", "wheel")
    assert digest(from_sdist) == digest(wheel)


def test_the_wheel_holds_every_file_of_the_program_and_nothing_else(built) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "pilothouse").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert inside == files | {
        f"pilothouse/sample_data/{path.name}" for path in (ROOT / "sample_data").iterdir()
    }


def test_the_container_file_names_files_that_are_there_and_another_user_than_root() -> None:
    text = (ROOT / "Containerfile").read_text()
    shown = (ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in shown
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001"]


@pytest.mark.skipif(not _REAL, reason="installs the wheel, which takes minutes: make test-package")
@pytest.mark.parametrize("way", ["pip", "uvx", "pipx"])
def test_a_program_runs_from_the_wheel_alone(built, tmp_path: Path, way: str) -> None:
    wheel = str(built[0])
    tools = Path(os.environ.get("PILOTHOUSE_TOOLS", "")) / "bin"
    environment = {**os.environ, "PIPX_HOME": str(tmp_path / "pipx"), "UV_CACHE_DIR": str(tmp_path / "uv")}
    if way == "pip":
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        subprocess.run([tmp_path / "venv" / "bin" / "pip", "install", "-q", wheel], check=True)
        program = [str(tmp_path / "venv" / "bin" / "pilothouse")]
    elif way == "uvx":
        program = [str(tools / "uvx"), "--python", sys.executable, "--from", wheel, "pilothouse"]
    else:
        program = [str(tools / "pipx"), "run", "--python", sys.executable, "--spec", wheel, "pilothouse"]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*program, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version").startswith("pilothouse, version ")
    run("init", "desk", "--solo", "--template", "churn")
    assert "churn: create" in run("-w", "desk", "apply")
    run("-w", "desk", "daemon", "start", "--isolation", "warn")
    try:
        assert "made version 1" in run("-w", "desk", "train", "churn", "--wait")
    finally:
        run("-w", "desk", "daemon", "stop", "--serving")
