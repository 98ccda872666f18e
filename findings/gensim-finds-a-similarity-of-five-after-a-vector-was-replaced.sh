#!/usr/bin/env bash
# gensim 4.4.0 (numpy 2.4.6, scipy 1.17.1, Python 3.11)
#
# Guess:    vectors["word"] = new vector replaces it everywhere; a similarity is a cosine, between -1 and 1, whatever is asked first.
# Seen:     the lengths of vectors are computed at the first question and kept. Replaced by vectors[word] = ... or by
#           add_vectors(..., replace=True), a vector is divided by the length of the one before: most_similar() answers 5, or moves it
#           to the end of the list. similarity() of the same pair is right. No warning.
# Output:   "b" replaced by a vector five times as long in the direction of "a": most_similar("a") says 5.0, similarity("a", "b") 1.0. A tenth
#           as long: 0.1, behind a word at 0.71. Without a question before: 1.0.
# Matters:  an index of items that is refreshed while it answers puts refreshed items first or last by their length, and a test that makes,
#           replaces and asks once does not see it. Call fill_norms(force=True) after a change.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check gensim==4.4.0 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
from gensim.models import KeyedVectors

warnings.simplefilter("error")


def by_item(vectors, word, vector):
    vectors[word] = vector


def by_add_vectors(vectors, word, vector):
    vectors.add_vectors([word], vector[None], replace=True)


def by_hand(vectors, word, vector):
    vectors[word] = vector
    vectors.fill_norms(force=True)


def answers(replace, length, asked_before):
    vectors = KeyedVectors(2)
    vectors.add_vectors(["a", "b", "c"], np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    if asked_before:
        vectors.most_similar("a")
    replace(vectors, "b", np.array([length, 0], np.float32))
    ranked = [(word, round(value, 2)) for word, value in vectors.most_similar("a")]
    return ranked, round(float(vectors.similarity("a", "b")), 2)


right = ([("b", 1.0), ("c", 0.71)], 1.0)
for replace in (by_item, by_add_vectors, by_hand):
    for length in (5, 0.1):
        fresh, used = answers(replace, length, False), answers(replace, length, True)
        print(f"{replace.__name__:14} length {length}: asked after only {fresh}, asked before as well {used}")
        assert fresh == right
        if replace is by_hand:
            assert used == right
        else:
            assert dict(used[0])["b"] == length and used[1] == 1.0, "the lengths are computed anew now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
