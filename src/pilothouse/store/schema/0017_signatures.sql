-- Second components of decisions: passphrases, statements that people sign, and their signatures.

-- Weakest second component of decisions on any model's requests.
ALTER TABLE workspace_policies ADD COLUMN signature TEXT NOT NULL DEFAULT 'none'
  CHECK (signature IN ('none', 'passphrase', 'key', 'hardware-key'));

-- Passphrase as scrypt makes it. The newest row of a name counts; one without a digest takes the passphrase away.
CREATE TABLE passphrases (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL CHECK (name <> ''),
  n           INTEGER NOT NULL,
  r           INTEGER NOT NULL,
  p           INTEGER NOT NULL,
  salt        TEXT NOT NULL,
  digest      TEXT CHECK (digest <> ''),
  set_by      TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  CHECK (digest IS NULL OR set_by = name)  -- nobody knows another's
) STRICT;
CREATE INDEX passphrases_of_name ON passphrases (name, id);

-- Tries of a passphrase. Those that are wrong since the newest other row count.
CREATE TABLE passphrase_tries (
  id            INTEGER PRIMARY KEY,
  passphrase_id INTEGER NOT NULL REFERENCES passphrases (id),
  outcome       TEXT NOT NULL CHECK (outcome IN ('wrong', 'right', 'unlocked')),
  by            TEXT NOT NULL,
  recorded_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX passphrase_tries_of ON passphrase_tries (passphrase_id, id);

-- Statements that were printed to be signed elsewhere. Nothing follows from one before its signature has come.
CREATE TABLE printed_statements (
  id          INTEGER PRIMARY KEY,
  request_id  INTEGER NOT NULL REFERENCES promotion_requests (id),
  name        TEXT NOT NULL,
  verdict     TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
  statement   TEXT NOT NULL CHECK (json_valid(statement)),
  recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX printed_statements_of_request ON printed_statements (request_id, name, id);

-- Second component of a decision, written before it in its transaction.
CREATE TABLE decision_signatures (
  id          INTEGER PRIMARY KEY,
  request_id  INTEGER NOT NULL,
  actor       TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('passphrase', 'key', 'hardware-key')),
  statement   TEXT NOT NULL CHECK (json_valid(statement)),   -- what was signed, to the byte
  signature   TEXT,                                          -- as ssh-keygen -Y sign writes it
  fingerprint TEXT,                                          -- of the key that signed
  key_id      INTEGER REFERENCES user_keys (id),             -- that key, or the authority of its certificate
  verified_at INTEGER NOT NULL,
  UNIQUE (request_id, actor),
  FOREIGN KEY (request_id, actor) REFERENCES decisions (request_id, actor) DEFERRABLE INITIALLY DEFERRED,
  CHECK ((kind = 'passphrase') = (signature IS NULL)),
  CHECK ((signature IS NULL) = (fingerprint IS NULL) AND (signature IS NULL) = (key_id IS NULL))
) STRICT;

CREATE TRIGGER signatures_are_over_their_request BEFORE INSERT ON decision_signatures
WHEN NOT EXISTS (SELECT 1 FROM promotion_requests r WHERE r.id = NEW.request_id
                 AND json_extract(NEW.statement, '$.request') = r.id
                 AND json_extract(NEW.statement, '$.evidence.sha256') = r.evidence_digest
                 AND json_extract(NEW.statement, '$.policy.sha256') = r.policy_digest
                 AND json_extract(NEW.statement, '$.name') = NEW.actor
                 AND json_extract(NEW.statement, '$.key') = coalesce(NEW.fingerprint, ''))
BEGIN SELECT RAISE(ABORT, 'a signature is over the request, the evidence and the name of its decision'); END;

CREATE TRIGGER signatures_are_by_their_own_keys BEFORE INSERT ON decision_signatures
WHEN NEW.key_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM user_keys k JOIN users u ON u.name = k.user AND u.disabled_at IS NULL
  WHERE k.id = NEW.key_id AND k.user = NEW.actor AND k.revoked_at IS NULL
    AND (k.valid_after IS NULL OR k.valid_after <= NEW.verified_at)
    AND (k.valid_before IS NULL OR k.valid_before > NEW.verified_at)
    AND (k.kind <> 'key' OR (k.fingerprint = NEW.fingerprint AND k.hardware >= (NEW.kind = 'hardware-key'))))
BEGIN SELECT RAISE(ABORT, 'a signature is by a key of its own person, in force'); END;

-- By the policy that is frozen in the request, by the workspace's, and by the model file in force.
CREATE TRIGGER decisions_have_their_second_component BEFORE INSERT ON decisions
WHEN (SELECT max(CASE asked.component WHEN 'passphrase' THEN 1 WHEN 'key' THEN 2 WHEN 'hardware-key' THEN 3 ELSE 0 END)
      FROM (SELECT json_extract(r.policy, '$.signature') AS component FROM promotion_requests r WHERE r.id = NEW.request_id
            UNION ALL SELECT w.signature FROM workspace_policies w WHERE w.id = (SELECT max(id) FROM workspace_policies)
            UNION ALL SELECT json_extract(s.spec, '$.promotion.signature') FROM model_specs s WHERE s.id =
              (SELECT max(m.id) FROM model_specs m JOIN promotion_requests r ON r.model_id = m.model_id
               WHERE r.id = NEW.request_id)) asked)
   > coalesce((SELECT CASE g.kind WHEN 'passphrase' THEN 1 WHEN 'key' THEN 2 ELSE 3 END FROM decision_signatures g
               WHERE g.request_id = NEW.request_id AND g.actor = NEW.actor
                 AND json_extract(g.statement, '$.verdict') = NEW.verdict), 0)
BEGIN SELECT RAISE(ABORT, 'the policy asks for a second component of the decision'); END;
