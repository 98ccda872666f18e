"""Names and numbers of a registry with which a shell completes a command line, each with a remark: newest first.

Little is imported: a person waits for it at each press of Tab.
"""

from contextlib import closing
from pathlib import Path

from pilothouse.sqlite.connection import connect, driver

MOST = 200
"""Words of one kind."""
_MODEL = "SELECT name AS word, 'model' AS remark FROM models ORDER BY name"
_QUERIES = {
    "model": (_MODEL,),
    "version": (
        "SELECT m.name || '/' || v.number AS word, v.status AS remark FROM versions v "
        "JOIN models m ON m.id = v.model_id ORDER BY v.id DESC",
        _MODEL,
    ),
    "target": ("SELECT name AS word, region AS remark FROM targets ORDER BY name",),
    "request": (
        "SELECT p.id AS word, m.name || '/' || v.number || ', ' || p.status AS remark FROM promotion_requests p "
        "JOIN versions v ON v.id = p.version_id JOIN models m ON m.id = v.model_id "
        "ORDER BY p.status <> 'open', p.id DESC",
    ),
    "alert": (
        "SELECT a.id AS word, m.name || ' on ' || t.name || ', ' || a.status AS remark FROM alerts a "
        "JOIN models m ON m.id = a.model_id JOIN targets t ON t.id = a.target_id "
        "ORDER BY a.status = 'resolved', a.id DESC",
    ),
    "incident": (
        "SELECT i.id AS word, m.name AS remark FROM incidents i JOIN models m ON m.id = i.model_id "
        "ORDER BY i.id DESC",
    ),
    "job": ("SELECT j.id AS word, j.kind || ', ' || j.status AS remark FROM jobs j ORDER BY j.id DESC",),
    "rollout": (
        "SELECT r.id AS word, m.name || ', ' || r.state AS remark FROM rollouts r "
        "JOIN models m ON m.id = r.model_id ORDER BY r.id DESC",
    ),
    "schedule": ("SELECT id AS word, name AS remark FROM schedules WHERE active = 1 ORDER BY id",),
    "plan": ("SELECT DISTINCT name AS word, 'plan' AS remark FROM plans ORDER BY name",),
    "user": ("SELECT DISTINCT actor AS word, 'user' AS remark FROM grants ORDER BY actor",),
}
KINDS = frozenset(_QUERIES)


def words(registry: Path, kind: str, begin: str) -> list[tuple[str, str]]:
    """Words of a kind that begin so, at most ``MOST``. Nothing is written. None where the registry cannot be read: the
    command itself says why."""
    found: list[tuple[str, str]] = []
    try:
        with closing(connect(registry, read_only=True)) as connection:
            for query in _QUERIES[kind]:
                rows = connection.execute(
                    f"SELECT word, remark FROM ({query}) WHERE substr(word, 1, ?) = ? LIMIT ?",  # noqa: S608 - ours
                    (len(begin), begin, MOST - len(found)),
                )
                found += [(str(word), remark) for word, remark in rows]
    except driver.Error:
        return []
    return found
