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
