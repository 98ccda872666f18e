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

-- The state of each deployment (a model on a target) and of each model, written in the transaction of what changes it. They
-- follow from other tables and from telemetry: `pilothouse doctor` compares them, and --repair writes them anew. Without
-- foreign keys, so that the past can have temporary tables of the same definition.
CREATE TABLE deployment_states (
  id            INTEGER PRIMARY KEY,
  model_id      INTEGER NOT NULL,
  target_id     INTEGER NOT NULL,
  deployment_id INTEGER,                     -- NULL: nothing is live there
  version       INTEGER,                     -- the number of what is live
  health        TEXT NOT NULL DEFAULT 'not deployed',
  severity      INTEGER NOT NULL DEFAULT 7,  -- rank of health, 0 the worst
  why           TEXT NOT NULL DEFAULT '',
  since         INTEGER,                     -- of the worst ground
  serving       TEXT NOT NULL DEFAULT 'remote',
  alerts        INTEGER NOT NULL DEFAULT 0,  -- not resolved
  figures       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(figures)),   -- newest figures of the live version, with their dates
  grounds       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(grounds)),   -- all, the worst first
  UNIQUE (model_id, target_id)
) STRICT;
CREATE INDEX deployment_states_by_severity ON deployment_states (severity, id);
CREATE INDEX deployment_states_of_target ON deployment_states (target_id, severity, model_id);
CREATE INDEX deployment_states_of_model ON deployment_states (model_id, severity, target_id);
CREATE INDEX deployment_states_by_model ON deployment_states (model_id, id);
CREATE INDEX deployment_states_by_target ON deployment_states (target_id, id);
CREATE INDEX deployment_states_by_version ON deployment_states (version, id);
CREATE INDEX deployment_states_by_serving ON deployment_states (serving, id);
CREATE INDEX deployment_states_by_alerts ON deployment_states (alerts, id);
CREATE INDEX deployment_states_by_time ON deployment_states (since, id);
CREATE INDEX deployment_states_by_reason ON deployment_states (why, id);
CREATE INDEX deployment_states_searched ON deployment_states (id, lower(health || ' ' || why), model_id, target_id);
CREATE INDEX deployments_live_of_request ON deployments (request_id) WHERE ended_at IS NULL AND request_id IS NOT NULL;

CREATE TABLE model_states (
  model_id      INTEGER PRIMARY KEY,
  health        TEXT NOT NULL,
  severity      INTEGER NOT NULL,
  why           TEXT NOT NULL,
  counts        TEXT NOT NULL CHECK (json_valid(counts)),    -- number of deployments by health
  figures       TEXT NOT NULL CHECK (json_valid(figures)),   -- over its deployments
  alerts        INTEGER NOT NULL
) STRICT;

-- A report that has not come for too long, or whose process has ended, says nothing of the present.
ALTER TABLE serving_reports ADD COLUMN silent INTEGER NOT NULL DEFAULT 0 CHECK (silent IN (0, 1));
ALTER TABLE serving_reports ADD COLUMN failed_since TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(failed_since));   -- by model: its first report
CREATE INDEX alerts_of_deployment ON alerts (model_id, target_id, version_id, id);
