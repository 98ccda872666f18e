#!/usr/bin/env bash
# The same words, lexicon and library: neutral on Python 3.11, positive or negative from 3.12 on
#
# What:     vaderSentiment 3.3.2 (pure Python, no dependency that computes) on Python 3.11 and 3.12.
# Guess:    a rule-based scorer over a fixed lexicon is the one model that cannot change: same version, same text,
#           same label. If the builtin sum() of floats became more exact in 3.12 that may move the sixteenth digit,
#           which the rounding to four hides.
# Seen:     the words of a text whose valences add up to exactly nothing in decimals (-1.3, -0.9 and +2.2) sum to 0.0
#           on 3.11 and to a speck of 1e-16 on 3.12, and the scorer asks for the *sign* of that sum before it adds the
#           emphasis of the exclamation marks. So 0.0 (neutral) becomes +0.2206 or -0.2206 (the library's own cut-offs
#           for positive and negative are +-0.05). Which texts flip depends on their words and on the order of the
#           words.
# Why:      "reproduced to the bit" must name the interpreter, not only the packages: a gate that compares labels
#           before and after a change of Python finds flips in a model that nobody touched. Where a sign or a tie
#           decides, use math.fsum, or a tolerance.
# Date:     2026-11
set -euo pipefail
python_of() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  echo "this needs Python $1: neither python$1 on PATH nor a pyenv version" >&2
  exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/score.py" <<'PY'
import json

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

scorer = SentimentIntensityAnalyzer()
TEXTS = [
    "The rollout: agree, fine, failed!!!",
    "The rollout: lost, delayed, confident!!!",
    "The rollout: agree, stable, negative!!!",
    "The rollout: fail, solid, useful!!!",
    "The rollout: fine, useful!!!",
]
answers = {}
for text in TEXTS:
    compound = scorer.polarity_scores(text)["compound"]
    label = "positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"
    words = [word.strip(",!") for word in text.split()[2:]]
    answers[text] = [label, compound, [scorer.lexicon[word] for word in words]]
print(json.dumps(answers))
PY
for version in 3.11 3.12; do
  interpreter=$(python_of "$version")
  "$interpreter" -m venv "$work/$version"
  "$work/$version/bin/python" -m pip install --quiet --disable-pip-version-check vaderSentiment==3.3.2
  "$work/$version/bin/python" "$work/score.py" > "$work/$version.json"
done
cat > "$work/compare.py" <<'PY'
import json
import sys
from pathlib import Path

old, new = (json.loads(Path(sys.argv[1], f"{version}.json").read_text()) for version in ("3.11", "3.12"))
for text, (label, compound, valences) in old.items():
    print(f"{text:44} {valences!s:18} 3.11: {label} {compound}  3.12: {new[text][0]} {new[text][1]}")
before, after = ([answer[0] for answer in answers.values()] for answers in (old, new))
expected = (["neutral"] * 4 + ["positive"], ["positive", "positive", "negative", "negative", "positive"])
if (before, after) != expected:
    sys.exit(f"CHANGED: expected the labels {expected}, saw {(before, after)}")
print("as described: four labels of five differ by the interpreter alone")
PY
"$work/3.12/bin/python" "$work/compare.py" "$work"
