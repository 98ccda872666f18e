"""How things are said: times, figures, records."""

from datetime import UTC, datetime, timedelta

from pilothouse.domain.audit.lineage import LineageNode
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.presentation.pages.evidence import evidence_sections
from pilothouse.presentation.pages.raw import MOST_LINES, describe, to_json, to_toml
from pilothouse.presentation.texts import (
    age_text,
    ago_text,
    code_text,
    figure,
    parameters_text,
    policy_text,
    size_text,
    tree_lines,
    window_text,
)

NOW = datetime(2013, 6, 3, 14, 5, tzinfo=UTC)


def test_figures_have_digits_by_their_size() -> None:
    assert [figure(v) for v in (0.71234, 38.2123, 412.345, -0.05, None, float("nan"))] == [
        "0.712",
        "38.21",
        "412.3",
        "−0.050",
        "–",
        "–",
    ]


def test_times_and_sizes_are_short() -> None:
    assert ago_text(NOW - timedelta(minutes=3), NOW) == "3m ago"
    assert ago_text(NOW + timedelta(days=2), NOW) == "in 2d"
    assert window_text(NOW, NOW + timedelta(days=7)) == "2013-06-03 – 06-10"
    assert size_text(418_211) == "418.2 kB"


def test_records_in_words() -> None:
    assert parameters_text({"max_iter": 120, "search": {"folds": 3}}) == "max_iter=120 search.folds=3"
    assert parameters_text({"a": 1, "b": 1.0, "c": True, "d": 0.1}) == "a=1 b=1.0 c=yes d=0.1"
    assert (
        code_text({"commit": "a" * 40, "branch": "main", "dirty": True})
        == "commit aaaaaaaaaaaa on main, uncommitted changes"
    )
    assert code_text({"folder_digest": "b" * 64}) == "no git; folder bbbbbbbbbbbb"
    assert (
        policy_text(EffectivePolicy(approvals=2, automatic=False, expires=604_800, four_eyes=False))
        == "2 approvals, expires after 1w"
    )


def test_trees_are_drawn_with_lines() -> None:
    run = LineageNode("run", "7", "by sam", children=(LineageNode("snapshot", "a1"),))
    tree = LineageNode("version", "v2", children=(run, LineageNode("note", "ewr\x1b[2J")))
    assert tree_lines(tree) == ["version v2", "├─ run 7  by sam", "│  └─ snapshot a1", "└─ note ewr�[2J"]


def test_evidence_hides_nothing_and_puts_gates_first() -> None:
    sections = evidence_sections(
        {
            "odd": {"nested": {"key": 7}},
            "metrics": [
                {"metric": "auc", "value": 0.7, "low": 0.68, "high": 0.72, "rows": 1200, "slice": ""}
            ],
            "gates": [{"gate": "latency", "outcome": "failed", "reason": "p95 80 ms, budget 50 ms"}],
            "note": "kept",
        }
    )
    assert sections[0] == ("Gates", [["✖ failed", "latency", "p95 80 ms, budget 50 ms"]])
    rows = [row for _, rows in sections for row in rows]
    assert ["auc", "0.700", "0.680 to 0.720", "1,200 rows"] in rows
    assert ["nested.key", "7"] in rows
    assert ["Note", "kept"] in rows


def test_evidence_ends_with_the_environment_and_leaves_out_what_is_not_known() -> None:
    evidence = {
        "environment": {"python": "3.11", "packages": {"numpy": "2.0", "scipy": "1.9"}, "digest": "ab"},
        "training": {"alert": None, "run": 7},
        "fitted": ["impute", "LogisticRegression"],
        "data": {"rows": 9},
        "gates": [
            {"gate": "comparison.v1", "outcome": "passed", "reason": "better"},
            {"gate": "data", "outcome": "passed", "reason": "fine"},
        ],
    }
    sections = evidence_sections(evidence, packages=False)
    assert [title for title, _ in sections] == [
        "Gates",
        "Comparison with what is live",
        "Fitted, in this order",
        "Data",
        "Training",
        "Environment",
    ]
    assert dict(sections)["Fitted, in this order"] == [["1", "impute"], ["2", "LogisticRegression"]]
    assert dict(sections)["Training"] == [["run", "7"]]
    assert sections[-1][1] == [["python", "3.11"], ["digest", "ab"], ["packages", "2, listed with --all"]]
    assert ["packages.numpy", "2.0"] in evidence_sections(evidence)[-1][1]


def test_evidence_says_what_the_portable_form_was_compared_with_before_the_figures() -> None:
    gates = [{"gate": "data", "outcome": "passed", "reason": "fine"}]

    def sections(**artifacts: object) -> list[tuple[str, list[list[str]]]]:
        return evidence_sections({"gates": gates, "artifacts": {"model": "ab", **artifacts}, "metrics": []})

    equal = "every answer equal to the bit with scikit-learn's on 11,749 rows"
    assert sections(portable="cd" * 32, portable_rows=11_749)[1] == (
        "Form that is served",
        [["portable", equal]],
    )
    tied = "tied to scikit-learn 1.9.x: neighbours"
    assert sections(portable=tied)[1] == ("Form that is served", [["skops", tied]])
    assert "Form that is served" not in dict(sections())


def test_a_record_with_very_long_texts_is_described_in_part_and_says_so() -> None:
    record = {"reason": "x" * 1_000_000, "lines": "a\n" * 500_000, "n" * 1_000_000: 1}
    assert len(to_json(record)) < 200_000
    assert "cut: 1,000,000 characters" in to_toml(record)
    lines = describe(record)
    assert len(lines) <= MOST_LINES + 1
    assert "cut: y shows more" in lines[-1].cells[0].text


def test_what_lies_ahead_of_the_clock_has_no_age() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age_text(now - timedelta(hours=2), now) == "2h ago"
    assert age_text(now + timedelta(seconds=30), now) == "0s ago", "clocks of two machines"
    assert age_text(now + timedelta(minutes=49), now) == "–"
