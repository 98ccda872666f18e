#!/usr/bin/env bash
# A screen test through pyte loses the rest of the text after a joiner, a mark or a vowel sign that terminals show in full
#
# What:     pyte 0.8.2 (the terminal in the tests of many TUIs) with wcwidth 0.2.9 and 0.9.4; rich 15.0.0 as the
#           writer's measure.
# Guess:    a character of width 0 is put on the cell before it, or left out; the text behind it is shown.
# Seen:     pyte stops drawing the *whole piece of text* at the first character of width 0 that has no canonical
#           combining class: zero-width joiner and non-joiner, word joiner, byte order mark, direction marks, and the
#           vowel signs of Hindi, Tamil, Burmese, Thai. "model", word joiner, "v7" is shown as "model"; a Hindi name
#           as its first letter; a line that begins with a byte order mark as nothing. Accents written apart (e +
#           U+0301) are fine. Korean in the decomposed form in which macOS stores file names is shown whole with
#           wcwidth 0.2.9 and cut after one sign with 0.9.4: an upgrade of wcwidth alone changes what the test sees.
#           rich measures the whole text, and tmux 3.3a moves its cursor over all of it.
# Why:      it works both ways. A test says "the console cut the name" where no terminal does; worse, a test that a
#           hostile or private text does *not* reach the screen passes because pyte threw it away. Assert on the bytes
#           written, or feed pyte one text at a time after replacing what has width 0.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyte==0.8.2 rich==15.0.0
for version in 0.2.9 0.9.4; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$work/$version" "wcwidth==$version"
done
cat > "$work/show.py" <<'PY'
import json
import unicodedata

import pyte
from rich.cells import cell_len

samples = {
    "word joiner": "model\u2060v7 live",
    "non-joiner (Persian)": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 v7",
    "byte order mark": "\ufeffmodel v7",
    "direction mark": "ewr\u200e 0.91",
    "Hindi": "\u0939\u093f\u0928\u094d\u0926\u0940 v7",
    "Thai": "\u0e01\u0e33\u0e25\u0e31\u0e07 v7",
    "accent written apart": unicodedata.normalize("NFD", "mod\u00e8le v7"),
    "Korean, decomposed": unicodedata.normalize("NFD", "\ud55c\uae00 v7"),
}
seen = {}
for name, text in samples.items():
    screen = pyte.Screen(30, 2)
    pyte.Stream(screen).feed(text)
    shown = screen.display[0].rstrip()
    seen[name] = [text, shown, "v7" in shown or "0.91" in shown, cell_len(text)]
print(json.dumps(seen))
PY
for version in 0.2.9 0.9.4; do
  PYTHONPATH="$work/$version" "$work/venv/bin/python" "$work/show.py" > "$work/$version.json"
done
cat > "$work/compare.py" <<'PY'
import json
import sys
from pathlib import Path

old, new = (json.loads(Path(sys.argv[1], f"{version}.json").read_text()) for version in ("0.2.9", "0.9.4"))
for name, (text, shown, whole, width) in new.items():
    print(f"{name:22} {ascii(text):66} rich: {width:2} cells  pyte: {ascii(shown):24} end shown, wcwidth 0.2.9/0.9.4: {old[name][2]}/{whole}")
expected = {name: (False, False) for name in new} | {"accent written apart": (True, True), "Korean, decomposed": (True, False)}
if wrong := {name: (old[name][2], new[name][2]) for name in new if (old[name][2], new[name][2]) != expected[name]}:
    sys.exit(f"CHANGED: the end of the text is (not) shown otherwise than described: {wrong}")
print("as described: what follows the invisible character never reaches pyte's screen")
PY
"$work/venv/bin/python" "$work/compare.py" "$work"
