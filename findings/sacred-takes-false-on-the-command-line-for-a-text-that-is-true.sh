#!/usr/bin/env bash
# sacred 0.8.7 (Python 3.11)
#
# Guess:    a setting on the command line is read as the type that the configuration gives it: flag=false switches off, name=1.10 stays
#           a text, n=08 is a number or an error.
# Seen:     a value is read as a Python literal, and what is none is a text: "false", "no" and "off" are texts, and a text that is not
#           empty is true. So "with augment=false" augments. rate=1/2 is the text "1/2"; version=1.10 is the number 1.1, and
#           version=1e5 is 100000.0. A line of the log says that the type changed, and the run goes on and is recorded with "false".
#           Only flag=False does what it says.
# Output:   flag=false -> 'false', and "if flag" runs; flag=False -> False; version=1.10 -> 1.1; version=1e5 -> 100000.0.
# Matters:  the run without augmentation, shuffling or leakage was one with it, while its record and its name say false: an ablation
#           compares a thing with itself. Check the types of settings at the start of a run.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    sacred==0.8.7
cat > "$work/check.py" <<'PY'
import logging

from sacred import Experiment, SETTINGS

SETTINGS.CAPTURE_MODE = "no"
said = []


class Keep(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


log = logging.getLogger("run")
log.propagate = False
log.addHandler(Keep())


def run(*settings):
    experiment = Experiment("run", save_git_info=False)
    experiment.logger = log

    @experiment.config
    def config():
        augment = True
        version = "1.0"
        rate = 0.1

    @experiment.main
    def main(augment, version, rate):
        return {"augment": augment, "augmented": bool(augment), "version": version, "rate": rate}

    done = experiment.run_commandline(["run", "with", *settings])
    print(settings, done.result)
    return done


wrong, right = run("augment=false"), run("augment=False")
version, power, rate = run("version=1.10"), run("version=1e5"), run("rate=1/2")
print("said:", [line for line in said if "augment" in line])
assert right.result["augment"] is False and not right.result["augmented"]
assert wrong.result["augment"] == "false" and wrong.result["augmented"], "false switches off now"
assert wrong.config["augment"] == "false" and wrong.status == "COMPLETED"
assert (version.result["version"], power.result["version"]) == (1.1, 100000.0), "texts stay texts now"
assert rate.result["rate"] == "1/2"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
