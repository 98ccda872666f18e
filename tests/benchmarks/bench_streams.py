"""Streams through the whole product in accelerated time, beside figures that scikit-learn gives from the raw rows.

``make bench-streams [STREAMS=name,name] [DAYS=days]`` (about 20 minutes); ``--write`` puts the table into docs/monitoring.md.
Each stream runs in a process of its own, one after the other. NannyML's column is filled where its environment is
(``make .peers/nannyml/.done``).
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stream_cases import CASES, Case, case_of  # noqa: E402
from stream_scores import PEER, count_alerts, first_gain, judge_estimates  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MARK, END = "<!-- streams -->\n", "<!-- end -->"


def main() -> None:
    """All streams, or those named; or one of them in this process (``--one NAME FILE``)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", default=os.environ.get("STREAMS", ""), help="names, with commas between")
    parser.add_argument("--days", default=os.environ.get("DAYS", ""), help="days of each stream at most")
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/monitoring.md; a part is printed alone"
    )
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    days = int(chosen.days) if chosen.days else None
    if chosen.one:
        name, file = chosen.one
        Path(file).write_text(json.dumps(measure(case_of(name, days))), "utf-8")
        return
    names = [name for name in chosen.streams.split(",") if name] or list(CASES)
    if unknown := [name for name in names if name not in CASES]:
        raise SystemExit(f"no stream {', '.join(unknown)}: there are {', '.join(CASES)}")
    if not PEER.exists():
        print("NannyML is not installed (make .peers/nannyml/.done): its column stays empty", flush=True)
    results = [_in_process(name, days) for name in names]
    text = table(results)
    print(text)
    if chosen.write and names == list(CASES) and days is None:
        write(text)


def _in_process(name: str, days: int | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="ph-streams-") as folder:
        file = Path(folder) / "result.json"
        command = [sys.executable, __file__, "--one", name, str(file)] + (
            ["--days", str(days)] if days else []
        )
        subprocess.run(command, check=True)
        result: dict[str, Any] = json.loads(file.read_text("utf-8"))
    print(json.dumps(result), flush=True)
    return result


def measure(case: Case) -> dict[str, Any]:
    """Play a stream and measure what came of it."""
    from stream_play import day_at, peak_mb, play

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ph-stream-") as folder:
        played = play(case, Path(folder) / "workspace")
        seconds = time.monotonic() - began
        peak = peak_mb()
    gain, estimates = first_gain(played), judge_estimates(played)
    return {
        "name": case.name,
        "task": case.task,
        "metric": case.metric,
        "change": case.change,
        "change_day": case.change_day,
        "rate": case.rate,
        "days": case.days,
        "rows": len(played.served),
        "seconds": round(seconds),
        "peak_mb": peak,
        "peak_before_mb": played.peak_before_mb,
        "alerts": dataclasses.asdict(count_alerts(played)),
        "opened": [[a.kind, a.version, round(day_at(case, a.effective_at), 1), a.summary] for a in played.alerts],
        "retrainings": [[job.options.get("changed_at"), job.options["as_of"], job.result] for job in played.retrainings],
        "refusals": [note.reason for note in played.notes if note.job is None],
        "gain": {**dataclasses.asdict(gain), "share": gain.share(case.task)} if gain else None,
        "estimates": dataclasses.asdict(estimates) if estimates else None,
    }  # fmt: skip


HEAD = (
    "| stream | task, rows a day | change | alerts right / late / false | first retraining: day, day of the change off by | "
    "metric before → after (attainable) | share | estimate: error, nothing changed, NannyML | inside the band | "
    "memory peak, MB: before the first prediction → at the end |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def table(results: list[dict[str, Any]]) -> str:
    """The table of the documents."""
    return "\n".join([HEAD, *(_line(result) for result in results)])


def _line(result: dict[str, Any]) -> str:
    alerts, gain, estimates = result["alerts"], result["gain"], result["estimates"]
    day = f", day {result['change_day']}" if result["change_day"] is not None else ""
    counts = f"{alerts['right']} / {alerts['late']} / {alerts['false']}"
    counts += ", 1 missed" if alerts["missed"] else ""
    counts += f" ({alerts['undated']} of inputs)" if alerts["undated"] else ""
    retraining = figures = share = "–"
    if gain:
        off = gain["days_off"]
        retraining = f"day {gain['day']:.0f}" + ("" if off is None else f", {off:+.0f} days")
        retraining += "" if gain["live"] else f", not live ({gain['status']})"
        figures = f"{result['metric']} {gain['before']:.3f} → {gain['after']:.3f} ({gain['attainable']:.3f})"
        share = "nothing to gain" if gain["share"] is None else f"{gain['share']:.2f}"
    errors, inside = "–", "–"
    if estimates:
        theirs = "–" if estimates["theirs"] is None else f"{estimates['theirs']:.3g}"
        errors = f"{estimates['ours']:.3g}, {estimates['nothing']:.3g}, {theirs}"
        inside = f"{estimates['inside']:.0%} of {estimates['windows']}"
    return (
        f"| `{result['name']}` | {result['task']}, {result['rate']:,} | {result['change']}{day} | {counts} | {retraining} | "
        f"{figures} | {share} | {errors} | {inside} | {result['peak_before_mb']} → {result['peak_mb']} |"
    )


def write(text: str) -> None:
    """Put the table between its marks in the document."""
    page = ROOT / "docs" / "monitoring.md"
    before, mark, rest = page.read_text("utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"docs/monitoring.md has no mark {MARK.strip()!r}")
    said = f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench-streams`."
    page.write_text(f"{before}{mark}{said}\n\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
