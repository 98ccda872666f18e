-- What the list of requests is sorted and filtered by, and what is counted for each reader.

-- The version that was live on the target when the request was filed, as its evidence says; NULL: none was.
ALTER TABLE request_targets ADD COLUMN incumbent_id INTEGER REFERENCES versions (id);
DROP TRIGGER request_targets_frozen;
UPDATE request_targets SET incumbent_id = (
  SELECT v.id FROM promotion_requests r JOIN targets t ON t.id = request_targets.target_id
  JOIN json_each(r.evidence, '$.incumbents') live ON live.key = t.name
  JOIN versions v ON v.model_id = r.model_id AND v.number = live.value WHERE r.id = request_targets.request_id);

CREATE TRIGGER request_targets_frozen BEFORE UPDATE ON request_targets
WHEN OLD.open = 0 OR NEW.open <> 0 OR OLD.request_id <> NEW.request_id OR OLD.target_id <> NEW.target_id
  OR OLD.incumbent_id IS NOT NEW.incumbent_id
  OR (SELECT status FROM promotion_requests WHERE id = OLD.request_id) = 'open'
BEGIN SELECT RAISE(ABORT, 'the targets of a promotion request are frozen'); END;

CREATE TRIGGER request_targets_compare_as_their_evidence BEFORE INSERT ON request_targets
WHEN NEW.incumbent_id IS NOT (
  SELECT v.id FROM promotion_requests r JOIN targets t ON t.id = NEW.target_id
  JOIN json_each(r.evidence, '$.incumbents') live ON live.key = t.name
  JOIN versions v ON v.model_id = r.model_id AND v.number = live.value WHERE r.id = NEW.request_id)
BEGIN SELECT RAISE(ABORT, 'a target of a request compares with the version that its evidence names'); END;

-- Which versions were live, and which of their deployments ended last: the stage of a version follows.
DROP INDEX deployments_of_version;
CREATE INDEX deployments_ended_of_version ON deployments (version_id, ended_at, id);
CREATE INDEX deployments_of_versions_of_model ON deployments (model_id, version_id, id);
DROP INDEX versions_searched;   -- the stage is part of the text now

-- Open requests with all that decides for whom they wait; the evidence lies beyond, and is not read.
CREATE INDEX promotion_requests_waiting ON promotion_requests
  (model_id, id, expires_at, requested_by, trained_by, json_extract(policy, '$.four_eyes')) WHERE status = 'open';
CREATE INDEX alerts_of_version ON alerts (version_id, id);
CREATE INDEX trigger_events_of_trigger ON trigger_events (model_id, trigger, status, id);
CREATE INDEX promotion_requests_by_state ON promotion_requests (status, expires_at, id);
CREATE INDEX promotion_requests_of_model ON promotion_requests (model_id, id);
CREATE INDEX promotion_requests_by_time ON promotion_requests (recorded_at, id);
CREATE INDEX promotion_requests_by_expiry ON promotion_requests (expires_at, id);
CREATE INDEX promotion_requests_by_person ON promotion_requests (requested_by, id);
CREATE INDEX promotion_requests_searched ON promotion_requests
  (id, lower(id || ' ' || status || ' ' || requested_by || ' ' || reason), model_id);
