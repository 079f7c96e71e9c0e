-- What the runs of this project have spent on a day, or may still spend: for a budget of the day.
CREATE TABLE spending (
  run INTEGER NOT NULL,              -- no reference: what a forgotten run has spent is spent
  day INTEGER NOT NULL,              -- days since 1970, UTC
  usd REAL NOT NULL,
  tokens REAL NOT NULL,
  PRIMARY KEY (day, run)
) WITHOUT ROWID;
