-- The whole of state.db in its current format; `migrations/` must lead to the same (a test compares them).
-- Times are Unix seconds. JSON is stored as text. What is written here is redacted already.

-- `replay`: what a run replays, else empty; such a run is never gone on with, nor the newest of its file.
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,        -- per project, from 1, never given twice
  id TEXT NOT NULL UNIQUE,           -- ULID
  team TEXT NOT NULL,
  file TEXT NOT NULL,                -- the team file, relative to the project where it lies below it
  inputs_digest TEXT NOT NULL,
  inputs TEXT NOT NULL,              -- JSON object
  created REAL NOT NULL,
  -- The rest repeats what the last RunnerStarted or RunEnded record says, so that a list needs no fold.
  status TEXT NOT NULL DEFAULT 'created',
  exit_reason TEXT NOT NULL DEFAULT '',
  updated REAL NOT NULL
, replay TEXT NOT NULL DEFAULT '');
CREATE INDEX runs_by_file ON runs (file, inputs_digest, number);

-- The highest number ever given: removing the newest run must not free its number.
CREATE TABLE numbering (only INTEGER PRIMARY KEY CHECK (only = 1), last INTEGER NOT NULL);
INSERT INTO numbering VALUES (1, 0);

CREATE TABLE plan_data (
  digest TEXT PRIMARY KEY,           -- sha256 of data: runs of an unchanged file share one row
  data BLOB NOT NULL
);

CREATE TABLE plans (
  run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  revision INTEGER NOT NULL,         -- from 1
  digest TEXT NOT NULL REFERENCES plan_data (digest),
  PRIMARY KEY (run, revision)
);
CREATE INDEX plans_by_digest ON plans (digest);
CREATE TRIGGER plan_data_unused AFTER DELETE ON plans BEGIN
  DELETE FROM plan_data
  WHERE digest = old.digest AND NOT EXISTS (SELECT 1 FROM plans WHERE plans.digest = old.digest);
END;

CREATE TABLE records (
  run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  seq INTEGER NOT NULL,              -- from 1, without gaps
  at REAL NOT NULL,
  mono REAL NOT NULL,                -- seconds since boot
  kind TEXT NOT NULL,
  data TEXT NOT NULL,                -- JSON object
  PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
  verb TEXT NOT NULL,
  args TEXT NOT NULL,                -- JSON
  expected_seq INTEGER,              -- the record that the asker had seen last, or NULL
  at REAL NOT NULL,
  "by" TEXT NOT NULL                 -- who asked: user@host
);
CREATE INDEX requests_by_run ON requests (run, id);

-- What the runs of this project have spent on a day, and may still spend: for a budget of the day.
CREATE TABLE spending (
  run INTEGER NOT NULL,              -- no reference: what a forgotten run has spent is spent
  day INTEGER NOT NULL,              -- days since 1970, UTC
  usd REAL NOT NULL,                 -- what is spent
  tokens REAL NOT NULL,
  held_usd REAL NOT NULL,            -- what running attempts may still spend
  held_tokens REAL NOT NULL,
  PRIMARY KEY (day, run)
) WITHOUT ROWID;
