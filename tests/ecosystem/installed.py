"""What the tests of the ecosystem install into ``.ecosystem``: packages of Python, and programs of Debian without root."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / ".ecosystem"


def python_with(name: str, *requirements: str) -> Path:
    """Python of an environment of its own with these packages; the test is skipped where they cannot be installed."""
    folder = FOLDER / name
    made = folder / f".{abs(hash_of(requirements))}.done"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run_or_skip([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        _run_or_skip([*pip, *requirements])
        made.touch()
    return folder / "bin" / "python"


def program_of_debian(package: str, program: str, *libraries: str) -> Path:
    """A program of a Debian package: one that is installed, or one that is unpacked here, with ``libraries`` beside it; skipped
    without either."""
    if found := shutil.which(program):
        return Path(found)
    folder = FOLDER / f"debian-{package}"
    places = [folder / "usr" / name / program for name in ("bin", "sbin")]
    if not any(place.exists() for place in places):
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            pytest.skip(f"{program} is not installed, and this is no Debian: install {package}")
        folder.mkdir(parents=True, exist_ok=True)
        _run_or_skip(["apt-get", "-q", "download", package, *libraries], cwd=folder)
        for archive in folder.glob("*.deb"):
            _run_or_skip(["dpkg", "-x", str(archive), str(folder)])
    place = next((place for place in places if place.exists()), None)
    if place is None:
        pytest.skip(f"{package} has no {program}")
    return place


def package_of_node(requirement: str) -> Path:
    """Folder of a package of npm; the test is skipped without Node.js."""
    if shutil.which("npm") is None:
        pytest.skip(f"Node.js is not installed, and {requirement} takes it: install npm")
    name = requirement.rpartition("@")[0]
    folder = FOLDER / f"node-{requirement.replace('/', '-').replace('@', '-')}"
    place = folder / "node_modules" / name
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run_or_skip(
            [
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
                str(folder),
                requirement,
            ]
        )
    return place


def hash_of(requirements: tuple[str, ...]) -> int:
    """Number that changes with the requirements, the same in every process."""
    return int.from_bytes("\0".join(requirements).encode(), "big") % (1 << 61)


def _run_or_skip(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        pytest.skip(f"{' '.join(command[:6])} …: {last[:200]}")
