-- The index of `.teamflow/cache/`. Its format is `user_version`; an index of another format is made anew, empty.

CREATE TABLE entries (
  key TEXT PRIMARY KEY,
  text TEXT,                         -- what the step said; NULL: nobody refers to it, or it is an object
  text_object TEXT,                  -- sha256 of a longer text
  outputs TEXT,                      -- JSON object
  artifacts TEXT NOT NULL,           -- JSON: [[name, path, sha256, bytes, mode], ...]
  run INTEGER,
  attempt INTEGER,
  size INTEGER NOT NULL,             -- bytes, with those of its objects
  used REAL NOT NULL,                -- when it was last a hit, to the day (Unix)
  crc INTEGER NOT NULL               -- of key to attempt: SQLite notices no damage within a page
) WITHOUT ROWID;
CREATE INDEX entries_by_use ON entries (used);

-- What the key of a step's last stored result was made of: why the next one differs.
CREATE TABLE parts (
  file TEXT NOT NULL,
  step TEXT NOT NULL,
  key TEXT NOT NULL,
  parts TEXT NOT NULL,               -- JSON
  PRIMARY KEY (file, step)
) WITHOUT ROWID;

-- Digests of files by their stat, one blob for each root (workspaces/stats.py knows its form).
CREATE TABLE stats (root TEXT PRIMARY KEY, data BLOB NOT NULL);
