#!/usr/bin/env bash
# luigi 3.8.1 (Python 3.11)
#
# Guess:    two tasks whose parameters differ are two tasks, with two names and two runs: a lag of half a second and none at all.
# Seen:     TimeDeltaParameter is written in whole seconds, cut: 0.5 s is "0 s" and 1.9 s is "1 s". The name of a task is made of that text,
#           so both have one, the scheduler runs only one of them, and build() says that all succeeded. A task
#           built again from its written parameters has the lag 0. The text "1.5" is read as a second and a half.
# Output:   task_id of lag 0.5 s and 0 s: the same; of three tasks (0, 0.5, 0.9 s) one runs; build() is True.
# Matters:  a sweep over windows or lags in milliseconds trains one model and reports success for all. Take a FloatParameter of
#           seconds, and count the outputs.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    luigi==3.8.1
cat > "$work/check.py" <<'PY'
import logging
from datetime import timedelta

import luigi

logging.disable(logging.CRITICAL)
ran, done = [], set()


class Train(luigi.Task):
    lag = luigi.TimeDeltaParameter()

    def complete(self):
        return self.lag in done

    def run(self):
        ran.append(self.lag.total_seconds())
        done.add(self.lag)


class TrainBySeconds(Train):
    lag = luigi.FloatParameter()

    def run(self):
        ran.append(self.lag)
        done.add(self.lag)


lags = [timedelta(0), timedelta(seconds=0.5), timedelta(seconds=0.9)]
tasks = [Train(lag=lag) for lag in lags]
succeeded = luigi.build(tasks, local_scheduler=True)
first = list(ran)
print("names:", [task.task_id for task in tasks])
print("as text:", [task.to_str_params()["lag"] for task in tasks])
print("ran:", first, "; build() says", succeeded, "; complete:", [task.complete() for task in tasks])
read = luigi.TimeDeltaParameter().parse("1.5").total_seconds()
print("the text 1.5 is read as", read)
ran.clear()
luigi.build([TrainBySeconds(lag=lag.total_seconds()) for lag in lags], local_scheduler=True)
print("as a FloatParameter ran:", sorted(ran))
assert tasks[0] is not tasks[1] and len({task.task_id for task in tasks}) == 1, "the names differ now"
again = Train.from_str_params(tasks[1].to_str_params()).lag
assert again == timedelta(0) and tasks[1].lag == lags[1], "the written parameters hold the fraction now"
assert succeeded and len(first) == 1 and sum(task.complete() for task in tasks) == 1, "all of them run now"
assert sorted(ran) == [0.0, 0.5, 0.9] and read == 1.5
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
