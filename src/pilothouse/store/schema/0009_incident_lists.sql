-- What the list of incidents shows of their alerts, kept beside them so that it is sorted and filtered along indexes.
ALTER TABLE incidents ADD COLUMN state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'resolved'));
ALTER TABLE incidents ADD COLUMN severity TEXT NOT NULL DEFAULT 'warning' CHECK (severity IN ('warning', 'critical'));
ALTER TABLE incidents ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN inside INTEGER NOT NULL DEFAULT 0;      -- how many alerts
ALTER TABLE incidents ADD COLUMN place TEXT NOT NULL DEFAULT '';         -- the targets
-- How it was judged, by figures that lie in the other database: its cause in words, and the most that it has cost.
ALTER TABLE incidents ADD COLUMN judged_at INTEGER;                      -- NULL: its alerts have changed since
ALTER TABLE incidents ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN cost_tier INTEGER NOT NULL DEFAULT 3;   -- 3: nothing
ALTER TABLE incidents ADD COLUMN cost_weight REAL NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN cost_words TEXT NOT NULL DEFAULT '';    -- empty: never judged

-- How an incident stands by its alerts: the triggers keep it, the doctor compares with it, the past reads it.
CREATE VIEW incident_standings AS
SELECT a.incident_id AS id,
  CASE WHEN max(a.status = 'open') THEN 'open' WHEN max(a.status = 'acknowledged') THEN 'acknowledged' ELSE 'resolved' END AS state,
  CASE WHEN max(a.severity = 'critical' AND a.status <> 'resolved') THEN 'critical'   -- the worst of what is not over
    WHEN max(a.severity = 'critical') AND NOT max(a.status <> 'resolved') THEN 'critical' ELSE 'warning' END AS severity,
  min(a.effective_at) AS since,
  count(*) AS inside,
  (SELECT group_concat(named.name, ', ' ORDER BY named.first) FROM
    (SELECT t.name, min(b.id) AS first FROM alerts b JOIN targets t ON t.id = b.target_id WHERE b.incident_id = a.incident_id
      AND (b.status <> 'resolved' OR NOT max(a.status <> 'resolved')) GROUP BY t.id) named) AS place
FROM alerts a WHERE a.incident_id IS NOT NULL GROUP BY a.incident_id;

CREATE TRIGGER incidents_stand_by_new_alerts AFTER INSERT ON alerts WHEN NEW.incident_id IS NOT NULL
BEGIN
  UPDATE incidents SET judged_at = NULL, state = s.state, severity = s.severity, since = s.since, inside = s.inside, place = s.place
  FROM incident_standings s WHERE s.id = NEW.incident_id AND incidents.id = NEW.incident_id;
END;
CREATE TRIGGER incidents_stand_by_their_alerts AFTER UPDATE OF incident_id, status ON alerts WHEN NEW.incident_id IS NOT NULL
BEGIN
  UPDATE incidents SET judged_at = NULL, state = s.state, severity = s.severity, since = s.since, inside = s.inside, place = s.place
  FROM incident_standings s WHERE s.id = NEW.incident_id AND incidents.id = NEW.incident_id;
END;

UPDATE incidents SET state = s.state, severity = s.severity, since = s.since, inside = s.inside, place = s.place
FROM incident_standings s WHERE s.id = incidents.id;

DROP INDEX incidents_standing;   -- incidents_searched serves as well
CREATE INDEX incidents_going_on ON incidents (id) WHERE state <> 'resolved' AND merged_into IS NULL;
CREATE INDEX incidents_to_judge ON incidents (id) WHERE judged_at IS NULL AND merged_into IS NULL;
CREATE INDEX incidents_by_state ON incidents (state, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_severity ON incidents (severity, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_time ON incidents (since, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_size ON incidents (inside, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_place ON incidents (place, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_cause ON incidents (cause, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_cost ON incidents (cost_weight - 1e15 * cost_tier, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_searched ON incidents (id,
  lower(id || ' ' || state || ' ' || severity || ' ' || cause || ' ' || cost_words || ' ' || assignee), model_id)
  WHERE merged_into IS NULL;
CREATE INDEX alerts_on_target ON alerts (target_id, incident_id);
CREATE INDEX alerts_by_kind ON alerts (kind, incident_id);

CREATE INDEX deployments_of_model ON deployments (model_id, id);
CREATE INDEX deployments_on_target ON deployments (target_id, id);
CREATE INDEX versions_by_number ON versions (number, id);
CREATE INDEX versions_by_gates ON versions (status, id);
CREATE INDEX versions_by_creation ON versions (created_at, id);
CREATE INDEX versions_searched ON versions (id, lower('v' || number || ' ' || status), model_id);
DROP INDEX runs_by_person;
DROP INDEX runs_by_start;
DROP INDEX runs_by_duration;
DROP INDEX runs_by_memory;
DROP INDEX runs_searched;
