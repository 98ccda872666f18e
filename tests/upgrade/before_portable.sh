# Makes .upgrade/before-portable: the program as it was before the change that brought portable forms, from the history, beside the
# packages of .upgrade/scikit-learn-1.8.
set -eu
first=$(git log --diff-filter=A --format=%H -- src/pilothouse/store/models/portable_models.py | tail -n 1)
test -n "$first" || { echo "the history does not reach back to the first portable form: clone it whole" >&2; exit 1; }
folder=$PWD/.upgrade/before-portable
rm -rf "$folder"
mkdir -p "$folder/program"
git archive "$first^" src | tar -x -C "$folder/program"
.upgrade/scikit-learn-1.8/bin/python -m venv --without-pip "$folder"
own=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
packages=$(.upgrade/scikit-learn-1.8/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$folder/program/src" "$packages" > "$own/before.pth"
