"""False alarms and windows until detection, for Pilothouse, Evidently and NannyML on the same windows.

``make bench-verdicts`` runs all and prints the tables of docs/monitoring.md and docs/rollouts.md; ``--short`` a few minutes'
part without large windows, ``--only WORDS`` kinds of data whose name begins with one of them (``performance``, ``real`` and
``rollouts`` among them). Peers judge with interpreters of their own
(``.peers/NAME/bin/python``) and are left out where they are not built. Seeds are fixed and printed.
"""

import argparse
import contextlib
import io
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # ours and the peers': none is to wait for the other core

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from bench_rollouts import tables as rollouts  # noqa: E402
from verdict_files import (  # noqa: E402
    DEFAULT,
    LEAD,
    SHIFTS,
    SUDDEN,
    Shift,
    Study,
    ask,
    independent_study,
    median,
    wandering_study,
)
from verdict_ours import DEFAULT_RATE, FIRE, GOAL, OF, Outcome, Ready, Series, ours, pilothouse  # noqa: E402
from verdict_performance import performance  # noqa: E402
from verdict_real import studies  # noqa: E402

from pilothouse.domain.monitoring.alert_rules import Turn, turn  # noqa: E402
from pilothouse.statistics.profiles.specification import SCORE  # noqa: E402

PEERS = ("evidently", "nannyml")


def peer(study: Study, folder: Path, name: str, outcome: Outcome) -> bool:
    """Collect a peer's scores of a study; False where it did not judge."""
    scores = study.verdicts(folder, name)
    if scores is None:
        return False
    for column, of in scores.items():
        if study.windows is study.beside:
            outcome.quiet += of[:, LEAD:].ravel().tolist()
        elif not column.startswith("missing:") and "missing" not in column:
            outcome.shifted[column].append(of[:, LEAD:])
        elif column.startswith("missing:"):
            outcome.shifted[column.removeprefix("missing:")].append(of[:, LEAD:])
    return True


def bound_of(outcome: Outcome, rate: float) -> float:
    """The least score above which no more than this share of unchanged feature-windows lies."""
    ordered = np.sort(np.array(outcome.quiet))[::-1]
    return float(ordered[min(math.floor(rate * len(ordered)), len(ordered) - 1)])


def waits_of(outcome: Outcome, bound: float) -> dict[str, list[float]]:
    """Windows until a peer's score first lies above a bound."""
    found: dict[str, list[float]] = {}
    for name, parts in outcome.shifted.items():
        hits = np.concatenate(parts) > bound
        found[name] = [float(np.argmax(run) + 1) if run.any() else math.inf for run in hits]
    return found


def plain(outcome: Outcome) -> dict:
    """An outcome as JSON takes it."""
    shifted = {name: np.concatenate(parts).tolist() for name, parts in outcome.shifted.items()}
    return {**vars(outcome), "shifted": shifted, "verdicts": {}}


def restored(kept: dict) -> Outcome:
    """What ``plain`` gave."""
    shifted = {name: [np.array(part)] for name, part in kept["shifted"].items()}
    return Outcome(**{**kept, "shifted": shifted})


@dataclass
class Plan:
    """Studies of one kind of data that are judged together. ``pairs`` are (quiet, shifted) of one reference."""

    title: str
    pairs: list[list[Study]]


def plans(
    short: bool,
    times: int,
    shifts: Mapping[str, tuple[str, Shift]] = SHIFTS,
    sudden: Mapping[str, tuple[str, Shift]] = SUDDEN,
) -> Iterable[tuple[str, Callable[[], list[list[Study]]]]]:
    """The kinds of data, each made only when its turn comes: references, quiet windows of each, runs and windows of a shift."""
    sizes = [(100, 48, 40, 4, 8), (1_000, 12, 40, 4, 8), (10_000, 3, 20, 4, 5), (100_000, 1, 8, 2, 3)]
    if short:
        sizes = [(100, 3, 25, 2, 6), (1_000, 3, 25, 2, 6)]
    for rows, references, windows, runs, length in sizes:
        yield (
            f"{rows:,} rows",
            lambda r=rows, n=references, w=windows, k=runs, m=length: [
                independent_study(r, seed, (1, w), (k, m), shifts) for seed in range(n * times)
            ],
        )
    for title, days, season, references in (("overdispersed", 91, 0.0, 12), ("seasonal", 730, 1.5, 12)):
        yield (
            title,
            lambda t=title, d=days, s=season, n=1 if short else references: [
                wandering_study(t, seed, d, 52, 1_000, s, 4, 6, sudden) for seed in range(n * times)
            ],
        )


def judge_all(title: str, pairs: list[list[Study]]) -> dict[str, Outcome]:
    """Every method on one kind of data."""
    taken = {"pilothouse": time.monotonic()}
    found = ours(pairs)
    taken["pilothouse"] = time.monotonic() - taken["pilothouse"]
    with tempfile.TemporaryDirectory() as held:
        for pair in pairs:
            for study in pair:
                study.write(Path(held))
        for name in PEERS:
            seconds = ask(name, Path(held))
            if seconds is not None:
                taken[name] = seconds
                found[name] = Outcome()
                for pair in pairs:
                    for study in pair:
                        peer(study, Path(held), name, found[name])
    print(f"{title}: {len(pairs)} references (seeds 0 to {len(pairs) - 1}), seconds "
          + ", ".join(f"{k} {v:.0f}" for k, v in taken.items()), flush=True)  # fmt: skip
    return found


def false_alarms(results: dict[str, dict[str, Outcome]]) -> None:
    """The table of false alarms."""
    print(
        "\n| windows | feature-windows | Pilothouse: a significant window | Pilothouse: an alert opens | Evidently | NannyML "
        "| Pilothouse, matched |"
    )
    print("|---|---|---|---|---|---|---|")
    for title, found in results.items():
        own = found["pilothouse"]
        cells = [f"{1000 * n / own.looked_at:.2f}" for n in (own.significant, own.alerts)]
        for name in PEERS:
            scores = np.array(found[name].quiet) if name in found else np.array([])
            cells.append(f"{1000 * (scores > DEFAULT[name]).mean():.1f}" if scores.size else "not run")
        moved = found["moved"]
        cells.append(f"{1000 * moved.alerts / moved.looked_at:.2f} at {moved.rate:g}")
        print(f"| {title} | {own.looked_at:,} | {' | '.join(cells)} |")


def detection(results: dict[str, dict[str, Outcome]], names: dict[str, str], matched: bool) -> None:
    """The table of windows until detection: Pilothouse (and as moved to the same rate), Evidently, NannyML in each cell."""
    print(f"\n| shift | {' | '.join(results)} |\n|---|{'---|' * len(results)}")
    for label, name in names.items():
        cells = []
        for found in results.values():
            own = ("pilothouse", "moved") if matched else ("pilothouse",)
            parts = [median(found[of].waits[name]) for of in own]
            for peer_name in PEERS:
                if peer_name not in found:
                    parts.append("not run")
                    continue
                bound = bound_of(found[peer_name], GOAL) if matched else DEFAULT[peer_name]
                waits = waits_of(found[peer_name], bound).get(name)
                parts.append("·" if waits is None else median(waits))
            cells.append(" / ".join(parts))
        print(f"| {label} | {' | '.join(cells)} |")


def alarms_by_feature(study: Study, ready: Ready) -> dict[str, list[bool]]:
    """In which windows of a run an alert would be open for each feature's drift (the score left out)."""
    outcome = Outcome()
    pilothouse(study, ready, {DEFAULT_RATE: outcome}, Series)
    found = {}
    for subject, (significant, certain) in outcome.verdicts.items():
        is_open, states = False, []
        for i in range(len(significant)):
            change = turn(significant[: i + 1], is_open, FIRE, OF, certain=certain[i])
            is_open = (is_open or change is Turn.OPEN) and change is not Turn.RESOLVE
            states.append(is_open and significant[i])
        if ":" not in subject and subject != SCORE:
            found[subject] = states
    return found


def real(short: bool) -> None:
    """Flights of three airports and bikes: quiet weeks put together from the reference, and the weeks that came."""
    places = ["LGA", "bikes"] if short else ["EWR", "JFK", "LGA", "bikes"]
    cases = [(name, days) for name in places for days in ((91,) if short else (91, 273))]
    print("\nReal data (Pilothouse / Evidently / matched / NannyML / matched):\n")
    print(
        "| | of 1,000 feature-weeks drawn from the reference | the three weeks after it | temp broken: weeks until found |"
    )
    print("|---|---|---|---|")
    for name, days in cases:
        made = studies(name, days, 150 if name == "bikes" else 1_500)
        ready = Ready.of(next(iter(made.values())))
        own = {kind: alarms_by_feature(study, ready) for kind, study in made.items()}
        flagged: dict[str, dict[str, dict[str, list[bool]]]] = {"Pilothouse": own}
        with tempfile.TemporaryDirectory() as held:
            for study in made.values():
                study.write(Path(held))
            for peer_name in PEERS:
                if ask(peer_name, Path(held)) is None:
                    continue
                scores = {k: s.verdicts(Path(held), peer_name) or {} for k, s in made.items()}
                of = {k: {c: v[0] for c, v in by.items() if c in own[k]} for k, by in scores.items()}
                quiet = np.sort(np.concatenate([v[LEAD:] for v in of["quiet"].values()]))[::-1]
                matched = float(quiet[int(GOAL * len(quiet))])
                for title, bound in ((peer_name, DEFAULT[peer_name]), (f"{peer_name} matched", matched)):
                    flagged[title] = {
                        k: {c: (v > bound).tolist() for c, v in by.items()} for k, by in of.items()
                    }
        cells: list[list[str]] = [[], [], []]
        for by in flagged.values():
            quiet_flags = [x for v in by["quiet"].values() for x in v[LEAD:]]
            cells[0].append(f"{1000 * float(np.mean(quiet_flags)):.1f}")
            early = [x for v in by["after"].values() for x in v[:3]]
            cells[1].append(f"{sum(early)} of {len(early)}")
            hits = by["broken"]["temp"][LEAD:]
            cells[2].append(str(hits.index(True) + 1) if True in hits else "–")
        print(f"| {name}, {days} days | {' | '.join(' / '.join(c) for c in cells)} |", flush=True)
        if days == 91 and name != "bikes":
            for column in ("temp", "carrier", "dest", "seats"):
                waits = []
                for title, by in flagged.items():
                    weeks = by["after"][column]
                    first = weeks.index(True) if True in weeks else None
                    date = np.datetime64("2013-01-01") + days + 7 * first if first is not None else "never"
                    waits.append(f"{title} {date}")
                print(f"  {name} {column}: first alarm of the week from {', '.join(waits)}", flush=True)


def report(results: dict[str, dict[str, Outcome]], pages: dict[str, str]) -> None:
    """The tables of docs/monitoring.md, printed and put into ``pages`` by name."""
    print("\nFalse alarms for each 1,000 feature-windows in which nothing has changed:")
    pages["false alarms"] = shown(false_alarms, results)
    sizes = {t: f for t, f in results.items() if "rows" in t}
    moving = {t: f for t, f in results.items() if "rows" not in t}
    for matched in (True, False):
        how = (
            f"as it comes / all moved to {GOAL * 1000:g} false alarm in 1,000"
            if matched
            else "peers by default"
        )
        whose = "Pilothouse / Pilothouse moved" if matched else "Pilothouse"
        print(f"\nWindows until found ({whose} / Evidently / NannyML; {how}):")
        for held, shifts in ((sizes, SHIFTS), (moving, SUDDEN)):
            if held:
                names = {name: f"{base} {name}" for name, (base, _) in shifts.items()}
                name = "matched" if matched else "defaults"
                pages[name] = pages.get(name, "") + shown(detection, held, names, matched)


def shown(table: Callable[..., None], *given: object) -> str:
    """What a table prints, also printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        table(*given)
    print(out.getvalue(), end="", flush=True)
    return out.getvalue()


def write(pages: dict[str, str], document: str = "monitoring.md") -> None:
    """Put tables between their marks in a document."""
    page = ROOT / "docs" / document
    text = page.read_text("utf-8")
    for name, table in pages.items():
        start = f"<!-- verdicts: {name} -->\n"
        before, mark, rest = text.partition(start)
        if not mark:
            raise SystemExit(f"docs/{document} has no mark {start.strip()!r}")
        rows = "\n".join(line for line in table.splitlines() if line.startswith("|") or not line)
        text = before + mark + rows.strip() + "\n<!-- end -->" + rest.partition("<!-- end -->")[2]
    page.write_text(text, "utf-8")


def run() -> None:
    """The short form, for ``make bench``."""
    report({title: judge_all(title, make()) for title, make in plans(True, 1)}, {})
    performance(True, 1)
    real(True)


def main() -> None:
    """Run the studies and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--keep", type=Path, help="a folder for what is done, so that a run cut off goes on")
    parser.add_argument(
        "--times", type=int, default=1, help="so many times the references of the documented run"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into the documents")
    chosen = parser.parse_args()
    pages: dict[str, str] = {}
    results: dict[str, dict[str, Outcome]] = {}
    for title, make in plans(chosen.short, chosen.times):
        if chosen.only and not any(title.startswith(word) for word in chosen.only):
            continue
        kept = chosen.keep / f"{title.replace(' ', '-')}.json" if chosen.keep else None
        if kept is not None and kept.exists():
            results[title] = {k: restored(v) for k, v in json.loads(kept.read_text("utf-8")).items()}
            continue
        results[title] = judge_all(title, make())
        if kept is not None:
            kept.write_text(json.dumps({k: plain(v) for k, v in results[title].items()}), "utf-8")
    if results:
        report(results, pages)
    if not chosen.only or "performance" in chosen.only:
        pages["performance"] = shown(performance, chosen.short, chosen.times)
    if not chosen.only or "real" in chosen.only:
        pages["real"] = shown(real, chosen.short)
    of_rollouts = {}
    if not chosen.only or "rollouts" in chosen.only:
        of_rollouts = rollouts(100) if chosen.short else rollouts()
    if chosen.write:
        write(pages)
        write(of_rollouts, "rollouts.md")


if __name__ == "__main__":
    main()
