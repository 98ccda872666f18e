-- Alerts with one cause. An incident's state is that of its alerts; here is only what they cannot say.
CREATE TABLE incidents (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  recorded_at INTEGER NOT NULL,
  assignee    TEXT NOT NULL DEFAULT '',
  merged_into INTEGER REFERENCES incidents (id) CHECK (merged_into < id)   -- one cause after all: the older one has its alerts
) STRICT;

ALTER TABLE alerts ADD COLUMN features TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(features));
ALTER TABLE alerts ADD COLUMN incident_id INTEGER REFERENCES incidents (id);
ALTER TABLE alerts ADD COLUMN joined_because TEXT NOT NULL DEFAULT '';
CREATE INDEX alerts_of_incident ON alerts (incident_id, id);

CREATE TRIGGER alerts_stay_in_their_incident BEFORE UPDATE OF incident_id ON alerts
WHEN OLD.incident_id IS NOT NULL AND (NEW.incident_id IS NULL OR NEW.incident_id >= OLD.incident_id)
BEGIN SELECT RAISE(ABORT, 'an alert stays in its incident, or goes to an older one that is merged with it'); END;
