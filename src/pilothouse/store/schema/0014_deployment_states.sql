-- The view needed SQLite 3.44 (ORDER BY inside of an aggregate, an outer aggregate in a subquery): auditors open this file with the sqlite3 of their system.
DROP VIEW incident_standings;
CREATE VIEW incident_standings AS
SELECT a.incident_id AS id,
  CASE WHEN max(a.status = 'open') THEN 'open' WHEN max(a.status = 'acknowledged') THEN 'acknowledged' ELSE 'resolved' END AS state,
  CASE WHEN max(a.severity = 'critical' AND a.status <> 'resolved') THEN 'critical'   -- the worst of what is not over
    WHEN max(a.severity = 'critical') AND NOT max(a.status <> 'resolved') THEN 'critical' ELSE 'warning' END AS severity,
  min(a.effective_at) AS since,
  count(*) AS inside,
  (SELECT group_concat(named.name, ', ') FROM   -- in the order of the subquery: SQLite keeps it for group_concat
    (SELECT t.name, min(b.id) AS first FROM alerts b JOIN targets t ON t.id = b.target_id WHERE b.incident_id = a.incident_id
      AND (b.status <> 'resolved' OR NOT EXISTS
        (SELECT 1 FROM alerts c WHERE c.incident_id = a.incident_id AND c.status <> 'resolved')) GROUP BY t.id ORDER BY first) named) AS place
FROM alerts a WHERE a.incident_id IS NOT NULL GROUP BY a.incident_id;
