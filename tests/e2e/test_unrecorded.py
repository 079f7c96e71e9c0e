"""Verbs on a run whose runner was killed before it had recorded what it began, and that has ended since."""

from __future__ import annotations

import os
import signal
import sqlite3

import pytest

from tests.e2e.tool import Project, until

pytestmark = pytest.mark.slow

TEAM = 'agents: {a: {command: "./work inner 0; until test -e go; do sleep 0.02; done; ./work agent 0"}}\n'


def unrecorded(project: Project) -> None:
    """A step has begun and ended, and the log knows of neither."""
    assert project.call("run", "-d").code == 0
    until(lambda: project.begun("a"), "it begins")
    holder = project.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    until(lambda: project.holder() is None, "the runner is gone")
    # What was not yet safe on the disk: here by hand, since no boundary is always passed before that.
    with sqlite3.connect(project.layout.database) as database:
        database.execute("DELETE FROM records WHERE seq > 1")
    database.close()
    project.write("go", "")
    assert project.gone()
    assert project.statuses() == {"a": "queued"}


def test_a_step_that_has_ended_is_not_paused() -> None:
    with Project(TEAM) as project:
        unrecorded(project)
        told = project.call("pause", "a")
        assert told.code == 1
        assert "a has ended (succeeded)" in told.err
        assert project.statuses() == {"a": "succeeded"}
        assert [line.attempt for line in project.ledger() if line.phase == "agent"] == [1, 1]


def test_a_step_that_has_ended_is_relaunched_as_another_attempt() -> None:
    with Project(TEAM) as project:
        unrecorded(project)
        assert project.call("relaunch", "a").code == 0
        assert project.statuses() == {"a": "queued"}
        assert project.run().code == 0
        assert [line.attempt for line in project.ledger() if line.phase == "agent"] == [1, 1, 2, 2]
