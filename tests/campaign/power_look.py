"""Looks at a project after a power cut with teamflow's own eyes, and compares with what had been told before.

Every violation is one line of text; none means that nothing told is lost, nothing is damaged, and the run goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from teamflow.core.fold import apply, initial
from teamflow.core.requested import RequestAnswered
from teamflow.store.cache import Cache
from teamflow.store.log import records as to_records
from teamflow.views.json import json_text, record_object
from teamflow.views.shown import shown_steps
from teamflow.workspaces.artifacts import Restored, file_facts, restore
from tests.campaign.power_disk import Odds
from tests.campaign.power_recording import (
    EXPECTED,
    FILES,
    REVISED_EXPECTED,
    TOKEN,
    Recording,
    opened,
    read_entries,
)


@dataclass
class Cut:
    """What came of one."""

    about: str
    odds: Odds
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Looked:
    """One disk after a power cut, looked at by teamflow."""

    def __init__(self, recording: Recording, cut: Cut, told: Mapping[str, bytes]) -> None:
        self._recording = recording
        self._project = recording.project
        self._truth = recording.truth
        self._cut = cut
        self._told = told

    def look(self, *, goes_on: bool) -> None:
        needed, told = self._needed()
        if os.path.exists(self._project.layout.database):
            self._store(needed, told)
            self._screens(needed)
        elif needed:
            self._wrong(f"state.db is gone, and runs {sorted(needed)} were told of")
        self._cache()
        if goes_on:
            self._go_on()
            self._store(needed, told, grown=True)
            self._cache(grown=True)

    def _wrong(self, what: str) -> None:
        self._cut.wrong.append(what)

    # -- what was told ---------------------------------------------------------------------------------------

    def _needed(self) -> tuple[dict[int, int], dict[int, list[dict[str, Any]]]]:
        """Run → number of records that must be there; and the records as they were told."""
        needed: Counter[int] = Counter()
        told: dict[int, list[dict[str, Any]]] = {}
        for said in self._recording.said:
            text = self._told.get(said.path, b"").decode()
            if not text:
                continue
            if said.words[0] == "run" and said.run:
                needed[said.run] = max(needed[said.run], 0)
            if said.words[0] == "run" and "json" in said.words:
                objects = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
                told.setdefault(said.run, []).extend(objects)
                needed[said.run] = max([needed[said.run], *(each["seq"] for each in objects)])
            elif "--json" in said.words and text.endswith("}\n"):
                shown = json.loads(text)
                count = self._answered(shown) if "ok" in shown else self._as_shown(shown)
                needed[shown["run"]] = max(needed[shown["run"]], count)
        self._cut.counts["records told"] += sum(needed.values())
        return dict(needed), told

    def _answered(self, shown: Mapping[str, Any]) -> int:
        for record in to_records(self._truth.rows[shown["run"]]):
            if isinstance(record.event, RequestAnswered) and record.event.message == shown["message"]:
                return record.seq
        raise AssertionError(f"the answer {shown} is no record")

    def _as_shown(self, shown: Mapping[str, Any]) -> int:
        """The number of the first record with which the run looked like that."""
        run = shown["run"]
        plans = self._truth.plans[run]
        state = initial(plans[1])
        wanted = {step["id"]: (step["status"], len(step["attempts"])) for step in shown["steps"]}
        for record in (None, *to_records(self._truth.rows[run])):
            if record is not None:
                apply(state, record, plans=plans)
            if wanted == {known.step.id: (known.status.value, len(known.attempts)) for known in shown_steps(state)}:
                return state.seq
        raise AssertionError(f"run {run} never was as it was shown: {wanted}")

    # -- what is there ---------------------------------------------------------------------------------------

    def _store(
        self, needed: Mapping[int, int], told: Mapping[int, list[dict[str, Any]]], *, grown: bool = False
    ) -> None:
        """`grown`: the runs have gone on since."""
        with opened(self._project) as database:
            for pragma, fine in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
                with closing(sqlite3.connect(database.layout.database)) as connection:
                    found = connection.execute(f"PRAGMA {pragma}").fetchall()
                if found != fine:
                    self._wrong(f"{pragma}: {found[:3]}")
            runs = {row.number for row in database.runs()}
            rows = {run: database.rows(run) for run in runs}
        for run, count in needed.items():
            if run not in runs:
                self._wrong(f"run {run} is gone, and {count} records of it were told")
            elif len(rows[run]) < count:
                self._wrong(f"run {run} has {len(rows[run])} records, and {count} were told")
        for run, objects in told.items():
            stored = {
                record.seq: json.loads(json_text(record_object(record))) for record in to_records(rows.get(run, []))
            }
            lies = [each for each in objects if stored.get(each["seq"], each) != each]
            if lies:
                self._wrong(f"run {run}: told {lies[0]}, stored {stored[lies[0]['seq']]}")
        for run in runs & self._truth.rows.keys() if not grown else ():
            if rows[run] != self._truth.rows[run][: len(rows[run])]:
                self._wrong(f"run {run} has records that were never made")
        self._cut.counts["records there"] += sum(map(len, rows.values()))

    def _screens(self, needed: Mapping[int, int]) -> None:
        with opened(self._project) as database:
            runs = [row.number for row in database.runs()]
        if not runs:
            return
        shown = self._project.call("status", "--json")
        if shown.code != 0 or json.loads(shown.out)["run"] != runs[0]:
            self._wrong(f"status of run {runs[0]}: {shown}")
        for run in runs:
            if "tells" in {step.id for step in self._truth.plans[run][1].steps}:
                logs = self._project.call("logs", "-r", str(run))
                if logs.code != 0 or TOKEN in logs.out:
                    self._wrong(f"logs of run {run}: {logs}")
                self._cut.counts["logs with a secret"] += "***" in logs.out

    def _cache(self, *, grown: bool = False) -> None:
        directory = self._project.layout.cache
        entries = read_entries(directory)
        cache = Cache(directory, on_warning=lambda _: None)
        try:
            for key, entry in entries.items():
                true = self._truth.entries.get(key)
                if entry[:4] != true[:4] if true is not None else not grown:
                    self._wrong(f"the cache has {entry}, and {true} was put into it")
                for artifact in entry.artifacts:
                    self._restore(cache, artifact.digest)
                self._cut.counts["cache entries"] += 1
        finally:
            cache.close()

    def _restore(self, cache: Cache, digest: str) -> None:
        place = self._project.home / "restored"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        done = restore(str(place), "file", digest=digest, mode=0o600, contents=cache.open_object)
        self._cut.counts[f"objects {done.value}"] += 1
        if done is Restored.PUT and file_facts(str(place), "file").digest != digest:
            self._wrong(f"object {digest} was served with other contents")

    # -- how it goes on --------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        for words in (("run", "--progress", "plain"), ("run", "kept.yaml", "--progress", "plain")):
            done = self._project.call(*words, env={"TOKEN": TOKEN})
            if done.code != 0:
                self._wrong(f"{' '.join(words)}: exit {done.code}\n{done.out[-500:]}\n{done.err[-1500:]}")
                return
        with opened(self._project) as database:
            newest = database.newest_run(file="team.yaml")
        assert newest is not None
        revised = "\n  new:" in (self._project.root / "team.yaml").read_text()
        found = self._project.statuses(newest.number)
        for step, status in (REVISED_EXPECTED if revised else EXPECTED).items():
            if found.get(step) not in status.split("|"):
                self._wrong(f"{step} is {found.get(step)} after it has gone on, not {status}")
        for name, text in FILES.items():
            if (content := (self._project.root / name).read_text()) != text:
                self._wrong(f"{name} has {content!r} after it has gone on")
        ignore = (self._project.root / ".teamflow" / ".gitignore").read_bytes()
        if ignore != b"*\n" and not self._cut.odds.rubbish:
            self._wrong(".teamflow/ does not ignore itself in git after it has gone on")
        self._cut.counts["gone on"] += 1
