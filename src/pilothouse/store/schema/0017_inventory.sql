-- Reviews of models: who found what, and when the next one is due.
CREATE TABLE model_reviews (
  id          INTEGER PRIMARY KEY,
  model_id    INTEGER NOT NULL REFERENCES models (id),
  spec_id     INTEGER NOT NULL REFERENCES model_specs (id),
  outcome     TEXT NOT NULL CHECK (outcome IN ('fit', 'conditions', 'unfit')),
  reason      TEXT NOT NULL CHECK (reason <> ''),
  reviewed_by TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  next_review TEXT NOT NULL CHECK (next_review GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')
) STRICT;

CREATE INDEX model_reviews_of_model ON model_reviews (model_id, id);

-- Models about which something may be open: the overview reads these alone, however many models there are.
CREATE INDEX model_reviews_by_next ON model_reviews (next_review, model_id);
CREATE INDEX model_reviews_unfit ON model_reviews (outcome, model_id) WHERE outcome = 'unfit';
CREATE INDEX model_specs_by_review ON model_specs (json_extract(spec, '$.inventory.next_review'), model_id)
  WHERE json_extract(spec, '$.inventory.next_review') > '';
CREATE INDEX model_specs_retired ON model_specs (json_extract(spec, '$.inventory.retired'), model_id)
  WHERE json_extract(spec, '$.inventory.retired') > '';
