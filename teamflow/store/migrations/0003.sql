-- What a run replays: such a run is never gone on with, and never the newest of its file.
ALTER TABLE runs ADD COLUMN replay TEXT NOT NULL DEFAULT '';
