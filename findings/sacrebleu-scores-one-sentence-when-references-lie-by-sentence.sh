#!/usr/bin/env bash
# sacrebleu 2.6.0 (Python 3.11)
#
# Guess:    references in the wrong shape (a list for each sentence, as NLTK has them, instead of a list for each set of references) are
#           refused: there is one list for each sentence, and each is shorter than the sentences are many.
# Seen:     the sentences are gone through with the references by zip, which ends with the shorter: the first sentence is compared with
#           the first references of all sentences, the others are left out. BLEU, chrF and TER alike. No warning; the
#           signature of the score does not hold the number of sentences.
# Output:   four translations, the first right, the others wrong: BLEU 32 in the right shape, 100 in the other; chrF 100, TER 0. NLTK in
#           that shape: 32. References for two of the four sentences only: BLEU 50, also without a word.
# Matters:  the better the first sentence, the better the system; a gate on BLEU passes all of them. Check result.sys_len, the number of words
#           that were looked at, against the words of the translations.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check sacrebleu==2.6.0 nltk==3.10.4
cat > "$work/check.py" <<'PY'
import warnings

import sacrebleu
from nltk.translate.bleu_score import corpus_bleu

warnings.simplefilter("error")
translations = [
    "the cat sat on the mat in the sun",
    "we will send the order of today to you",
    "please call the hotel before noon",
    "it rained for a week without end",
]
references = [
    "the cat sat on the mat in the sun",
    "your parcel from yesterday has been lost",
    "nobody answers here in the evening",
    "the bill must be paid within a month",
]
by_sentence = [[reference] for reference in references]
scores = {"BLEU": sacrebleu.corpus_bleu, "chrF": sacrebleu.corpus_chrf, "TER": sacrebleu.corpus_ter}
right = {name: score(translations, [references]).score for name, score in scores.items()}
turned = {name: score(translations, by_sentence).score for name, score in scores.items()}
peer = 100 * corpus_bleu([[text.split()] for text in references], [text.split() for text in translations])
half = sacrebleu.corpus_bleu(translations, [references[:2]])
words = sum(len(text.split()) for text in translations)
looked_at = sacrebleu.corpus_bleu(translations, by_sentence).sys_len
print("one list of references:   ", right, f"NLTK's BLEU {peer:.1f}")
print("a list for each sentence: ", turned, f"words looked at: {looked_at} of {words}")
print(f"references for two of four: BLEU {half.score:.1f}, words looked at: {half.sys_len} of {words}")
assert right["BLEU"] < 50 and right["chrF"] < 60 and right["TER"] > 50 and abs(right["BLEU"] - peer) < 1
assert turned["BLEU"] > 99.9 and turned["chrF"] > 99.9 and turned["TER"] == 0, "another shape is refused now"
assert looked_at == 9 and half.sys_len == 18, "missing references are refused now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
