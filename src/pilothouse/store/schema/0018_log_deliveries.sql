-- In what way an anchor has not taken the head that it was sent last; empty where it has, and for failures of earlier releases.
ALTER TABLE log_deliveries ADD COLUMN fault TEXT NOT NULL DEFAULT ''
  CHECK (fault IN ('', 'cannot be reached', 'does not take it', 'contradicts'));
