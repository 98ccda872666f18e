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
