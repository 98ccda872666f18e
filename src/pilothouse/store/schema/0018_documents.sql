-- Documents that are attached to requests, by digest. The newest of a name counts; those before it stay on record.
CREATE TABLE request_documents (
  id          INTEGER PRIMARY KEY,
  request_id  INTEGER NOT NULL REFERENCES promotion_requests (id),
  name        TEXT NOT NULL CHECK (name <> '' AND name = trim(name)),
  file        TEXT NOT NULL CHECK (file <> ''),
  size        INTEGER NOT NULL CHECK (size > 0),
  digest      TEXT NOT NULL CHECK (length(digest) = 64),
  attached_by TEXT NOT NULL CHECK (attached_by <> ''),
  recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX request_documents_of ON request_documents (request_id, name, id);

CREATE TRIGGER documents_are_attached_to_open_requests BEFORE INSERT ON request_documents
WHEN NOT EXISTS (SELECT 1 FROM promotion_requests r WHERE r.id = NEW.request_id AND r.status = 'open')
BEGIN SELECT RAISE(ABORT, 'a document is attached to an open request'); END;

-- Documents that every model's policy asks for at least.
ALTER TABLE workspace_policies ADD COLUMN documents TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(documents));

-- Documents that a decision is bound to: the digest of each by its name.
ALTER TABLE decisions ADD COLUMN documents TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(documents));

CREATE TRIGGER decisions_bind_to_the_documents BEFORE INSERT ON decisions
WHEN EXISTS (SELECT d.name, d.digest FROM request_documents d WHERE d.id IN
               (SELECT max(n.id) FROM request_documents n WHERE n.request_id = NEW.request_id GROUP BY n.name)
             EXCEPT SELECT key, value FROM json_each(NEW.documents))
  OR EXISTS (SELECT key, value FROM json_each(NEW.documents)
             EXCEPT SELECT d.name, d.digest FROM request_documents d WHERE d.id IN
               (SELECT max(n.id) FROM request_documents n WHERE n.request_id = NEW.request_id GROUP BY n.name))
BEGIN SELECT RAISE(ABORT, 'a decision binds to the documents that are attached to its request'); END;

-- By the policy that is frozen in the request, by the workspace's, and by the model file in force.
CREATE TRIGGER approvals_have_their_documents BEFORE INSERT ON decisions
WHEN NEW.verdict = 'approve' AND EXISTS (
  SELECT asked.value FROM promotion_requests r, json_each(r.policy, '$.documents') asked WHERE r.id = NEW.request_id
  UNION SELECT asked.value FROM workspace_policies w, json_each(w.documents) asked
        WHERE w.id = (SELECT max(id) FROM workspace_policies)
  UNION SELECT asked.value FROM model_specs s, json_each(s.spec, '$.promotion.documents') asked WHERE s.id =
        (SELECT max(m.id) FROM model_specs m JOIN promotion_requests r ON r.model_id = m.model_id WHERE r.id = NEW.request_id)
  EXCEPT SELECT key FROM json_each(NEW.documents))
BEGIN SELECT RAISE(ABORT, 'the policy asks for a document that is not attached'); END;

-- Open requests with all that decides for whom they wait, as before, and whether documents are asked for.
DROP INDEX promotion_requests_waiting;
CREATE INDEX promotion_requests_waiting ON promotion_requests
  (model_id, id, expires_at, requested_by, trained_by, json_extract(policy, '$.four_eyes'), json_extract(policy, '$.documents'))
  WHERE status = 'open';
