-- Second component of breaking the glass, written before it in its transaction.
CREATE TABLE broken_glass_signatures (
  id          INTEGER PRIMARY KEY,
  request_id  INTEGER NOT NULL UNIQUE REFERENCES promotion_requests (id),
  actor       TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('passphrase', 'key', 'hardware-key')),
  statement   TEXT NOT NULL UNIQUE CHECK (json_valid(statement)),   -- what was signed, to the byte
  signature   TEXT,
  fingerprint TEXT,
  key_id      INTEGER REFERENCES user_keys (id),
  verified_at INTEGER NOT NULL,
  CHECK ((kind = 'passphrase') = (signature IS NULL)),
  CHECK ((signature IS NULL) = (fingerprint IS NULL) AND (signature IS NULL) = (key_id IS NULL))
) STRICT;

CREATE TRIGGER glass_signatures_are_over_what_is_deployed BEFORE INSERT ON broken_glass_signatures
WHEN NOT EXISTS (SELECT 1 FROM promotion_requests r JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id
                 WHERE r.id = NEW.request_id AND r.status = 'open'
                 AND json_extract(NEW.statement, '$.model') = m.name
                 AND json_extract(NEW.statement, '$.version') = v.number
                 AND json_extract(NEW.statement, '$.name') = NEW.actor
                 AND json_extract(NEW.statement, '$.key') = coalesce(NEW.fingerprint, ''))
BEGIN SELECT RAISE(ABORT, 'a signature of breaking the glass is over what is deployed, in the name of who deploys it'); END;

CREATE TRIGGER glass_signatures_are_by_their_own_keys BEFORE INSERT ON broken_glass_signatures
WHEN NEW.key_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM user_keys k JOIN users u ON u.name = k.user AND u.disabled_at IS NULL
  WHERE k.id = NEW.key_id AND k.user = NEW.actor AND k.revoked_at IS NULL
    AND (k.valid_after IS NULL OR k.valid_after <= NEW.verified_at)
    AND (k.valid_before IS NULL OR k.valid_before > NEW.verified_at)
    AND (k.kind <> 'key' OR (k.fingerprint = NEW.fingerprint AND k.hardware >= (NEW.kind = 'hardware-key'))))
BEGIN SELECT RAISE(ABORT, 'a signature is by a key of its own person, in force'); END;

CREATE TRIGGER broken_glass_has_its_second_component BEFORE INSERT ON broken_glass
WHEN (SELECT max(CASE asked.component WHEN 'passphrase' THEN 1 WHEN 'key' THEN 2 WHEN 'hardware-key' THEN 3 ELSE 0 END)
      FROM (SELECT json_extract(r.policy, '$.signature') AS component FROM promotion_requests r WHERE r.id = NEW.request_id
            UNION ALL SELECT w.signature FROM workspace_policies w WHERE w.id = (SELECT max(id) FROM workspace_policies)
            UNION ALL SELECT json_extract(s.spec, '$.promotion.signature') FROM model_specs s WHERE s.id =
              (SELECT max(m.id) FROM model_specs m JOIN promotion_requests r ON r.model_id = m.model_id
               WHERE r.id = NEW.request_id)) asked)
   > coalesce((SELECT CASE g.kind WHEN 'passphrase' THEN 1 WHEN 'key' THEN 2 ELSE 3 END FROM broken_glass_signatures g
               WHERE g.request_id = NEW.request_id AND g.actor = NEW.actor), 0)
BEGIN SELECT RAISE(ABORT, 'the policy asks for a second component of breaking the glass'); END;

-- What was superseded by what: a broken glass names the requests that it closed.
CREATE INDEX promotion_requests_superseded ON promotion_requests (superseded_by) WHERE superseded_by IS NOT NULL;
