#!/bin/sh
# Trains the models that a branch changes in a workspace of its own, runs their gates, and leaves the evidence in evidence.md.
# sh train-and-gate.sh BASE: the commit that the branch is compared with. Exit code 1 where a model did not pass.
set -eu
base=$1
export PILOTHOUSE_WORKSPACE="$PWD"
: > evidence.md

pilothouse init . --solo
pilothouse apply
pilothouse daemon start --isolation "${PILOTHOUSE_ISOLATION:-warn}"
trap 'pilothouse daemon stop' EXIT

failed=0
for model in $(git diff --name-only "$base" HEAD -- models | cut -d/ -f2 | sort -u); do
  [ -f "models/$model/model.toml" ] || continue
  if pilothouse train "$model" --wait --reason "commit $(git rev-parse --short HEAD)"; then
    request=$(pilothouse request "$model/1" --reason "a pull request" --json | sed -n 's/^  "id": \([0-9]*\),*$/\1/p')
    pilothouse evidence show "$request" --markdown >> evidence.md
  else
    failed=1
    pilothouse show "$model/1" --markdown >> evidence.md ||
      printf '# %s\n\nThe training failed; the log of the pipeline says why.\n' "$model" >> evidence.md
  fi
  echo >> evidence.md
done
[ -s evidence.md ] || echo "No model changes." > evidence.md
exit "$failed"
