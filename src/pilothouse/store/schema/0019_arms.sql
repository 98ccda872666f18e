-- Versions that the canaries of a roll-out try beside its own, each for as large a share of the requests.
CREATE TABLE rollout_arms (
  rollout_id INTEGER NOT NULL,
  model_id   INTEGER NOT NULL,
  version_id INTEGER NOT NULL,
  place      INTEGER NOT NULL CHECK (place > 0),
  why        TEXT NOT NULL DEFAULT '',
  ended_at   INTEGER,
  PRIMARY KEY (rollout_id, place),
  UNIQUE (rollout_id, version_id),
  FOREIGN KEY (rollout_id, model_id) REFERENCES rollouts (id, model_id),
  FOREIGN KEY (version_id, model_id) REFERENCES versions (id, model_id),
  CHECK ((ended_at IS NOT NULL) = (trim(why) <> ''))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER rollout_arms_end_once BEFORE UPDATE ON rollout_arms
WHEN OLD.ended_at IS NOT NULL OR OLD.rollout_id <> NEW.rollout_id OR OLD.model_id <> NEW.model_id
  OR OLD.version_id <> NEW.version_id OR OLD.place <> NEW.place
BEGIN SELECT RAISE(ABORT, 'the arms of a roll-out are frozen, and each ends once'); END;

CREATE TRIGGER rollout_arms_were_shown BEFORE INSERT ON rollout_arms
WHEN NOT EXISTS (SELECT 1 FROM rollouts r JOIN promotion_requests q ON q.id = r.request_id
                 JOIN json_each(q.evidence, '$.beside') shown JOIN versions v ON v.id = NEW.version_id
                 WHERE r.id = NEW.rollout_id AND v.status = 'candidate' AND shown.value ->> '$.version' = v.number)
BEGIN SELECT RAISE(ABORT, 'a roll-out tries those versions alone beside its own that passed their gates and that its evidence shows'); END;

-- Time for which a step stood still, in a freeze or while no daemon ran: neither its patience nor its least time went on.
ALTER TABLE rollouts ADD COLUMN stands_since INTEGER;
ALTER TABLE rollouts ADD COLUMN stood_us INTEGER NOT NULL DEFAULT 0 CHECK (stood_us >= 0);

-- Least recorded traffic, in seconds, that every model's versions answer before they are requested; NULL: none.
ALTER TABLE workspace_policies ADD COLUMN replay INTEGER CHECK (replay > 0);

-- Examples of a replay name rows of production by their prediction ids: an erasure takes those of its rows out.
DROP TRIGGER jobs_end_once;
CREATE TRIGGER jobs_end_once BEFORE UPDATE ON jobs
WHEN OLD.status NOT IN ('queued', 'running') AND (NEW.status <> OLD.status OR (NEW.result <> OLD.result
  AND (OLD.kind <> 'replay' OR NOT EXISTS (SELECT 1 FROM erasures e WHERE e.id NOT IN (SELECT erasure_id FROM tombstones)))))
BEGIN SELECT RAISE(ABORT, 'a job that has ended does not change'); END;
