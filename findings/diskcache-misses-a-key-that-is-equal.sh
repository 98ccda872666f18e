#!/usr/bin/env bash
# diskcache 5.6.3 (Python 3.11)
#
# Guess:    a key that is equal to a stored one finds it, as in a dictionary: the documentation calls a Cache a mapping. The
#           memoised function runs once for equal arguments.
# Seen:     a key that is neither text, bytes, whole number nor float is compared as its pickle, and a pickle says which parts are the very same
#           object. ("m", "m") with one text twice and ("m", "m") with two equal texts are two keys; which one it is depends on where
#           the texts came from (a literal, a file, a split). add() and memoize() follow. A NumPy integer in a tuple
#           is another key too, and f(1, 2), f(1, b=2) and f(a=1, b=2) are three calls. (That pickles decide is documented; the rest follows.)
# Output:   two equal calls of a memoised function: it runs twice. add() of a key that stands there: True. len(cache) is 2 for one key.
# Matters:  a pair whose sides are alike is common: champion and challenger, from and to, train and test. Rows are scored and paid for
#           again, a lock or a "done already" by add() is given twice, and del leaves the other one. Use texts as keys, made by the caller.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    diskcache==5.6.3 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import json
import sys

import diskcache
import numpy as np

cache = diskcache.Cache(sys.argv[1])
runs = []


@cache.memoize()
def compare(champion, challenger):
    runs.append((champion, challenger))
    return 0.5


name = "model-a"
first, second = json.loads('["model-a", "model-a"]')  # two equal texts, as they come from a file or a request
pair, read = (name, name), (first, "".join(["model", "-a"]))
assert pair == read and hash(pair) == hash(read) and {pair: 1}[read] == 1
compare(*pair)
compare(*read)
equal_calls = len(runs)
added = cache.add(pair, "first"), cache.add(pair, "again"), cache.add(read, "once more")
length = sum(key == pair for key in cache.iterkeys())
cache[1, 2] = "whole numbers"
numpy = cache.get((np.int64(1), 2))
del runs[:]
compare(1, 2), compare(1, challenger=2), compare(champion=1, challenger=2)
spellings = len(runs)
print("two equal calls run the function", equal_calls, "times; three spellings of one call", spellings)
print("add() of one key, of it again, of an equal one:", added, "entries with an equal key:", length)
print("(1, 2) with a NumPy integer:", numpy)
assert equal_calls == 2, "equal arguments find the answer now"
assert added == (True, False, True) and length == 2, "equal keys are one now"
assert numpy is None, "NumPy integers find it now"
assert spellings == 3, "spellings of one call are one now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work/cache"
echo "behaviour as described"
