-- What the console's long lists are sorted and filtered by, and who had a console open.
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_by_kind ON jobs (kind, id);
CREATE INDEX jobs_by_person ON jobs (created_by, id);
CREATE INDEX jobs_by_start ON jobs (created_at, id);
CREATE INDEX jobs_by_step ON jobs (step, id);
CREATE INDEX jobs_by_progress ON jobs (progress, id);
CREATE INDEX jobs_by_duration ON jobs (coalesce(ended_at - started_at, -1), id);
CREATE INDEX jobs_by_words ON jobs (coalesce(nullif(error, ''), reason), id);
CREATE INDEX jobs_searched ON jobs (id,
  lower(id || ' ' || kind || ' ' || status || ' ' || created_by || ' ' || coalesce(nullif(error, ''), reason)), model_id);
CREATE INDEX runs_by_person ON runs (started_by, id);
CREATE INDEX runs_by_start ON runs (started_at, id);
CREATE INDEX runs_by_duration ON runs (duration_s, id);
CREATE INDEX runs_by_memory ON runs (peak_memory_mb, id);
CREATE INDEX runs_searched ON runs (id, lower(id || ' ' || started_by || ' ' || reason), model_id);
CREATE INDEX versions_by_status ON versions (model_id, status, id);
CREATE INDEX versions_by_time ON versions (model_id, created_at, id);
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE INDEX audit_searched ON audit (seq, lower(actor || ' ' || action || ' ' || subject));
CREATE INDEX audit_by_time ON audit (recorded_at, seq);

CREATE TABLE sessions (
  id         INTEGER PRIMARY KEY,
  actor      TEXT NOT NULL,
  terminal   TEXT NOT NULL,                 -- what the console knew of its terminal: TERM, size, SSH
  boot_id    TEXT NOT NULL,
  pid        INTEGER NOT NULL,
  ticks      INTEGER NOT NULL,              -- with boot_id and pid the process by name
  read_only  INTEGER NOT NULL CHECK (read_only IN (0, 1)),
  opened_at  INTEGER NOT NULL,
  closed_at  INTEGER,
  ending     TEXT NOT NULL DEFAULT '',
  CHECK ((closed_at IS NULL) = (ending = ''))
) STRICT;
CREATE INDEX sessions_open ON sessions (id) WHERE closed_at IS NULL;

CREATE TRIGGER sessions_end_once BEFORE UPDATE ON sessions
WHEN OLD.closed_at IS NOT NULL
  OR OLD.id <> NEW.id OR OLD.actor <> NEW.actor OR OLD.terminal <> NEW.terminal OR OLD.boot_id <> NEW.boot_id
  OR OLD.pid <> NEW.pid OR OLD.ticks <> NEW.ticks OR OLD.read_only <> NEW.read_only OR OLD.opened_at <> NEW.opened_at
BEGIN SELECT RAISE(ABORT, 'a session never changes; it ends once'); END;
