-- What the list of versions is sorted and filtered by, with the stage of each, kept so that all of it goes along indexes. A stage
-- follows from what has become of a version: the triggers keep it, the doctor compares with it, the past reads it.
CREATE VIEW version_standings AS
SELECT v.id, v.model_id, v.number, v.status, v.created_at,
  CASE WHEN v.status = 'refused' THEN 'refused'
    WHEN EXISTS (SELECT 1 FROM deployments d WHERE d.version_id = v.id AND d.ended_at IS NULL) THEN 'live'
    WHEN EXISTS (SELECT 1 FROM promotion_requests q WHERE q.version_id = v.id AND q.status = 'open')
      OR EXISTS (SELECT 1 FROM rollouts x WHERE x.version_id = v.id AND x.ended_at IS NULL) THEN 'requested'
    ELSE coalesce(
      (SELECT stage FROM (
        SELECT 'rejected' AS stage, c.recorded_at AS at, 0 AS rank FROM promotion_requests q
          JOIN decisions c ON c.request_id = q.id AND c.verdict = 'reject' WHERE q.version_id = v.id AND q.status = 'rejected'
        UNION ALL SELECT 'rolled back', x.ended_at, 2 FROM rollouts x WHERE x.version_id = v.id AND x.state = 'rolled back'
        UNION ALL SELECT CASE n.kind WHEN 'rollback' THEN 'rolled back' ELSE 'replaced' END, n.recorded_at, 1
          FROM deployments d JOIN deployments n ON n.id =   -- the one that ended the last ended one of the version
            (SELECT min(s.id) FROM deployments s WHERE s.target_id = d.target_id AND +s.model_id = d.model_id AND s.id > d.id)
          WHERE d.id = (SELECT e.id FROM deployments e WHERE e.version_id = v.id AND e.ended_at IS NOT NULL
            ORDER BY e.ended_at DESC, e.id DESC LIMIT 1)
        ) ORDER BY at DESC, rank DESC LIMIT 1),
      CASE WHEN v.id < (SELECT max(l.version_id) FROM deployments l WHERE l.model_id = v.model_id)   -- keys run as numbers do
        THEN 'retired' ELSE 'candidate' END)
  END AS stage
FROM versions v;

CREATE TABLE version_rows (
  id         INTEGER PRIMARY KEY REFERENCES versions (id),
  model_id   INTEGER NOT NULL REFERENCES models (id),
  number     INTEGER NOT NULL,
  status     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  stage      TEXT NOT NULL
) STRICT;
INSERT INTO version_rows SELECT id, model_id, number, status, created_at, stage FROM version_standings ORDER BY id;
CREATE INDEX version_rows_by_stage ON version_rows (stage, id);
CREATE INDEX version_rows_of_model ON version_rows (model_id, id);
CREATE INDEX version_rows_to_retire ON version_rows (model_id, id) WHERE stage = 'candidate';
CREATE INDEX version_rows_by_number ON version_rows (number, id);
CREATE INDEX version_rows_by_gates ON version_rows (status, id);
CREATE INDEX version_rows_by_creation ON version_rows (created_at, id);
DROP INDEX versions_by_number;
DROP INDEX versions_by_gates;
DROP INDEX versions_by_creation;

CREATE TRIGGER version_rows_of_new_versions AFTER INSERT ON versions
BEGIN
  INSERT INTO version_rows SELECT id, model_id, number, status, created_at, stage FROM version_standings WHERE id = NEW.id;
END;
-- A version that goes live ends another's time on its target, and with the newest one to go live all older candidates retire:
-- each does so once, so that no more rows are written than there are versions.
CREATE TRIGGER version_rows_stand_by_new_deployments AFTER INSERT ON deployments
BEGIN
  UPDATE version_rows SET stage = s.stage FROM version_standings s WHERE s.id = version_rows.id AND version_rows.id IN (
    NEW.version_id,
    (SELECT p.version_id FROM deployments p WHERE p.target_id = NEW.target_id AND +p.model_id = NEW.model_id AND p.id < NEW.id
      ORDER BY p.id DESC LIMIT 1));
  UPDATE version_rows SET stage = 'retired' WHERE model_id = NEW.model_id AND stage = 'candidate' AND id < NEW.version_id;
END;
CREATE TRIGGER version_rows_stand_by_ended_deployments AFTER UPDATE OF ended_at ON deployments
BEGIN
  UPDATE version_rows SET stage = (SELECT stage FROM version_standings WHERE id = NEW.version_id) WHERE id = NEW.version_id;
END;
CREATE TRIGGER version_rows_stand_by_new_requests AFTER INSERT ON promotion_requests
BEGIN
  UPDATE version_rows SET stage = (SELECT stage FROM version_standings WHERE id = NEW.version_id) WHERE id = NEW.version_id;
END;
CREATE TRIGGER version_rows_stand_by_requests AFTER UPDATE OF status ON promotion_requests
BEGIN
  UPDATE version_rows SET stage = (SELECT stage FROM version_standings WHERE id = NEW.version_id) WHERE id = NEW.version_id;
END;
CREATE TRIGGER version_rows_stand_by_decisions AFTER INSERT ON decisions
BEGIN
  UPDATE version_rows SET stage = s.stage FROM version_standings s JOIN promotion_requests q ON q.version_id = s.id
  WHERE q.id = NEW.request_id AND version_rows.id = s.id;
END;
CREATE TRIGGER version_rows_stand_by_new_rollouts AFTER INSERT ON rollouts
BEGIN
  UPDATE version_rows SET stage = (SELECT stage FROM version_standings WHERE id = NEW.version_id) WHERE id = NEW.version_id;
END;
CREATE TRIGGER version_rows_stand_by_rollouts AFTER UPDATE OF state, ended_at ON rollouts
BEGIN
  UPDATE version_rows SET stage = (SELECT stage FROM version_standings WHERE id = NEW.version_id) WHERE id = NEW.version_id;
END;
