"""Say that it began; where the options say so wait until somebody puts ``go`` into its folder; turn its rows around."""

import time
from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    print("begins")
    report(0.5, "counted", {})
    time.sleep(request.options.get("naps", 0))
    while request.options.get("waits") and not Path("go").exists():
        time.sleep(0.02)
    Path("model").write_bytes(Path(request.inputs["rows"]).read_bytes()[::-1])
    return StepResult(ok=True, outputs={"model": "model"}, record={"cwd": str(Path.cwd())})
