#!/usr/bin/env bash
# rich 15 turns a job's log with CRLF line ends, and a progress line that ends in \r, into nothing
#
# What:     rich 15.0.0 and rich 14.1.0, Text.from_ansi() and AnsiDecoder (the usual way to put a program's coloured
#           output into a Textual widget); Textual's own Log widget is not involved.
# Guess:    text from a terminal keeps its words; "\r\n" ends a line as "\n" does, and "\r" lets the next text write
#           over the line.
# Seen:     rich 15.0.0 keeps what stands after the last "\r" of each line. In "epoch 1\r\nepoch 2\r\n" that is
#           nothing: two empty lines, no error, and the line count is right. Every program that writes to a
#           pseudo-terminal ends its lines so (the kernel's ONLCR adds the "\r"), and so do curl, Windows tools and
#           HTTP logs. A progress line printed with end="\r" vanishes too. rich 14.1.0 took each "\r" as a line end
#           and kept all. A real terminal keeps the words: after "\r" the old text stands until something is written
#           over it.
# Why:      the log of a training that ran under a pty is shown blank after an upgrade of rich, at its full length,
#           which looks like a job that said nothing. Normalise "\r\n" and keep the last non-empty part between "\r"s
#           before from_ansi. Known upstream since April 2026.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
for version in 14.1.0 15.0.0; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$work/$version" "rich==$version"
done
cat > "$work/show.py" <<'PY'
import json
import os
import pty
import subprocess
import sys

from rich.text import Text

master, slave = pty.openpty()
job = "print('epoch 1 loss 0.5'); print('epoch 2 loss 0.4')"
subprocess.run([sys.executable, "-c", job], stdout=slave, check=True)
os.close(slave)
log = os.read(master, 4096).decode()
samples = {
    "from a pty": log,
    "coloured, CRLF": "\x1b[32mgate passed\x1b[0m\r\nsigned\r\n",
    "LF only": "epoch 1\nepoch 2\n",
    "end='\\r'": "epoch 1\r",
    "written over": "10%\r20%",
}
print(json.dumps({name: [sample, Text.from_ansi(sample).plain] for name, sample in samples.items()}))
PY
for version in 14.1.0 15.0.0; do
  PYTHONPATH="$work/$version" "$work/venv/bin/python" "$work/show.py" > "$work/$version.json"
done
cat > "$work/compare.py" <<'PY'
import json
import sys
from pathlib import Path

old, new = (json.loads(Path(sys.argv[1], f"{version}.json").read_text()) for version in ("14.1.0", "15.0.0"))
for name, (sample, shown) in old.items():
    print(f"{name:15} {sample!r:46} 14.1.0: {shown!r:40} 15.0.0: {new[name][1]!r}")
checks = {
    "the pty writes CRLF": old["from a pty"][0] == "epoch 1 loss 0.5\r\nepoch 2 loss 0.4\r\n",
    "14.1.0 keeps the words of CRLF": old["from a pty"][1].split() == old["from a pty"][0].split(),
    "15.0.0 keeps none": new["from a pty"][1].strip() == "" and new["coloured, CRLF"][1].strip() == "",
    "15.0.0 keeps the line count": new["from a pty"][1].count("\n") == 2,
    "LF is fine in both": old["LF only"][1].split() == new["LF only"][1].split() == ["epoch", "1", "epoch", "2"],
    "a progress line vanishes in 15.0.0": (old["end='\\r'"][1], new["end='\\r'"][1]) == ("epoch 1", ""),
    "text written over is right in 15.0.0": (old["written over"][1], new["written over"][1]) == ("10%\n20%", "20%"),
}
if broken := [name for name, held in checks.items() if not held]:
    sys.exit("CHANGED: " + "; ".join(broken))
print("as described: rich 15 shows the log of a pty as empty lines")
PY
"$work/venv/bin/python" "$work/compare.py" "$work"
