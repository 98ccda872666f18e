#!/usr/bin/env bash
# tokenizers 0.23.3 (Python 3.11)
#
# Guess:    training a tokenizer has no chance in it: no seed is asked for, and the same texts in the same order give the
#           same vocabulary, as they do for plain BPE, Unigram and WordLevel.
# Seen:     WordPiece, and BPE with a prefix or a suffix for parts of words, number the single letters with "##" (or "</w>")
#           in an order that changes with each training, in one process too, and with one thread. Merges that are equally
#           frequent then fall out in another order as well, so that with a prefix most texts are, in most pairs of
#           trainings, cut into other tokens. The size is the same each time. Nothing can be seeded.
# Output:   300 tokens; of 8 trainings, different vocabularies: BPE 1, Unigram 1, WordLevel 1; WordPiece, BPE with prefix and
#           with suffix 8 each; 17 to 256 numbers moved, and all 500 texts have other numbers, with a prefix
#           0 to 92 % of them other tokens (two trainings compared, three runs).
# Matters:  a model whose weights were trained on the numbers of one training, served with the tokenizer "reproduced" from
#           the same texts, reads other words, without an error and with a check of its size passed. The tokenizer's
#           file is part of the version, with a digest; it cannot be made again.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check tokenizers==0.23.3
cat > "$work/check.py" <<'PY'
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

draw = random.Random(0)
words = ["".join(draw.choice("abcdefghijklmnop") for _ in range(draw.randint(2, 7))) for _ in range(500)]
texts = [" ".join(draw.choice(words) for _ in range(20)) for _ in range(500)]
quiet = {"vocab_size": 300, "show_progress": False}
unknown = {"special_tokens": ["[UNK]"]}
kinds = {
    "BPE": (lambda: models.BPE(), lambda: trainers.BpeTrainer(**quiet)),
    "Unigram": (lambda: models.Unigram(), lambda: trainers.UnigramTrainer(**quiet)),
    "WordLevel": (lambda: models.WordLevel(unk_token="[UNK]"), lambda: trainers.WordLevelTrainer(**quiet, **unknown)),
    "WordPiece": (lambda: models.WordPiece(unk_token="[UNK]"), lambda: trainers.WordPieceTrainer(**quiet, **unknown)),
    "BPE, prefix": (lambda: models.BPE(), lambda: trainers.BpeTrainer(**quiet, continuing_subword_prefix="##")),
    "BPE, suffix": (lambda: models.BPE(), lambda: trainers.BpeTrainer(**quiet, end_of_word_suffix="</w>")),
}
for name, (model, trainer) in kinds.items():
    trained = []
    for _ in range(8):
        tokenizer = Tokenizer(model())
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.train_from_iterator(texts, trainer())
        trained.append(tokenizer)
    vocabularies = [tokenizer.get_vocab() for tokenizer in trained]
    different = len({tuple(sorted(each.items())) for each in vocabularies})
    first = vocabularies[0]
    moved = max(sum(each.get(token) != number for token, number in first.items()) for each in vocabularies)
    numbers = [[tokenizer.encode(text).ids for text in texts] for tokenizer in trained[:2]]
    tokens = [[tokenizer.encode(text).tokens for text in texts] for tokenizer in trained[:2]]
    other = sum(one != two for one, two in zip(*numbers)) / len(texts)
    cut = sum(one != two for one, two in zip(*tokens)) / len(texts)
    print(f"{name:12} size {len(first)}, vocabularies {different} of 8, numbers moved up to {moved}; "
          f"texts with other numbers {other:.2f}, with other tokens {cut:.2f}")
    if name in ("BPE", "Unigram", "WordLevel"):
        assert different == 1, f"{name} differs now"
    else:
        assert different > 4 and moved >= 4 and other > 0.5, f"{name} is the same each time now"
        assert len({len(each) for each in vocabularies}) == 1
PY
TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
