"""Runs the tests against real tools: ``run.py [NAME …]``. Each folder beside this file is one tool, or a few together.

``requirements.txt`` in it goes into an environment of its own, ``.ecosystem/NAME``; its tests find the Python in
``$ECOSYSTEM_PYTHON``. A folder without requirements takes what the system has, and its tests skip what is not there. What
was skipped is said at the end.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ROOT / ".ecosystem"


def main() -> int:
    wanted = sys.argv[1:]
    folders = sorted(path for path in HERE.iterdir() if path.is_dir() and list(path.glob("test_*.py")))
    unknown = set(wanted) - {path.name for path in folders}
    if unknown:
        print(
            f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(path.name for path in folders)}"
        )
        return 2
    failed: list[str] = []
    skipped: list[str] = []
    for folder in folders:
        if wanted and folder.name not in wanted:
            skipped.append(f"{folder.name}: not asked for")
            continue
        print(f"== {folder.name}", flush=True)
        environment = {**os.environ, "PILOTHOUSE_ECOSYSTEM": "1", "PYTHONPATH": str(ROOT / "tests")}
        requirements = folder / "requirements.txt"
        if requirements.exists():
            python = installed(folder.name, requirements)
            if python is None:
                skipped.append(f"{folder.name}: its packages could not be installed")
                failed.append(folder.name)
                continue
            environment["ECOSYSTEM_PYTHON"] = str(python)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rs", folder], cwd=ROOT, env=environment
        )
        if done.returncode:
            failed.append(folder.name)
    print("== skipped: " + ("; ".join(skipped) or "nothing but what is said above"))
    print(f"== failed: {', '.join(failed)}" if failed else "== all passed")
    return 1 if failed else 0


def installed(name: str, requirements: Path) -> Path | None:
    """Python of an environment with the requirements, made where it is not there."""
    folder = ENVIRONMENTS / name
    python, mark = folder / "bin" / "python", folder / ".done"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return python
    print(f"installing {requirements.relative_to(ROOT)} into {folder.relative_to(ROOT)} ...", flush=True)
    made = subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "venv", "--clear", folder])
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", "-r", requirements]
    if made.returncode or subprocess.run(pip, cwd=ROOT).returncode:
        return None
    mark.write_text(digest)
    return python


if __name__ == "__main__":
    raise SystemExit(main())
