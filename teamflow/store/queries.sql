-- Every statement of the store on state.db, by name (see sql.py).

-- name: newest_run
SELECT number, id, team, file, inputs_digest, inputs, created, status, exit_reason, updated, replay
FROM runs ORDER BY number DESC LIMIT 1;

-- name: newest_run_of_file
SELECT number, id, team, file, inputs_digest, inputs, created, status, exit_reason, updated, replay
FROM runs WHERE file = ? AND replay = '' ORDER BY number DESC LIMIT 1;

-- name: newest_run_of_inputs
SELECT number, id, team, file, inputs_digest, inputs, created, status, exit_reason, updated, replay
FROM runs WHERE file = ? AND inputs_digest = ? AND replay = '' ORDER BY number DESC LIMIT 1;

-- name: run_by_number
SELECT number, id, team, file, inputs_digest, inputs, created, status, exit_reason, updated, replay
FROM runs WHERE number = ?;

-- name: runs
SELECT number, id, team, file, inputs_digest, inputs, created, status, exit_reason, updated, replay
FROM runs ORDER BY number DESC LIMIT ?;

-- name: last_number
SELECT last FROM numbering;

-- name: set_last_number
UPDATE numbering SET last = ?;

-- name: insert_run
INSERT INTO runs (number, id, team, file, inputs_digest, inputs, created, updated, replay)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_run
DELETE FROM runs WHERE number = ?;

-- name: set_status
UPDATE runs SET status = ?, exit_reason = ?, updated = ? WHERE number = ?;

-- name: insert_plan_data
INSERT OR IGNORE INTO plan_data (digest, data) VALUES (?, ?);

-- name: plan_data
SELECT 1 FROM plan_data WHERE digest = ?;

-- name: insert_plan
INSERT INTO plans (run, revision, digest) VALUES (?, ?, ?);

-- name: plan
SELECT data FROM plans JOIN plan_data USING (digest) WHERE run = ? AND revision = ?;

-- name: plan_digest
SELECT digest FROM plans WHERE run = ? AND revision = ?;

-- name: last_revision
SELECT coalesce(max(revision), 0) FROM plans WHERE run = ?;

-- name: last_seq
SELECT coalesce(max(seq), 0) FROM records WHERE run = ?;

-- name: records
SELECT seq, at, mono, kind, data FROM records WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: records_from
SELECT seq, at, mono, kind, data FROM records WHERE run = ? AND seq >= ? ORDER BY seq LIMIT ?;

-- name: insert_request
INSERT INTO requests (run, verb, args, expected_seq, at, "by") VALUES (?, ?, ?, ?, ?, ?);

-- name: requests
SELECT id, run, verb, args, expected_seq, at, "by" FROM requests WHERE run = ? AND id > ? ORDER BY id;
