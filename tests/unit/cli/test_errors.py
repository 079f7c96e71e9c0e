"""From trouble to messages and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from teamflow.cli.errors import crash_report
from tests.unit.cli.made import REPOSITORY, argv, environment, make_run, process
from tests.unit.views.stories import FAILED, busy_plan

SECRET = "hunter2-hunter2"


def crash(tmp_path: Path, statement: str) -> subprocess.CompletedProcess[str]:
    """A process in which a verb raises."""
    script = (
        f"import sys\nfrom teamflow.cli.errors import guarded\ndef verb():\n    {statement}\nsys.exit(guarded(verb))"
    )
    return subprocess.run(
        [sys.executable, "-c", script, "run", "--set=x=" + SECRET, "secret-word"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path), API_TOKEN=SECRET),
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_bug_leaves_a_report_without_secrets(tmp_path: Path) -> None:
    done = crash(tmp_path, f"raise ValueError('no {SECRET}')")
    assert done.returncode == 70
    assert "internal error (ValueError): this is a bug, not yours" in done.stderr
    assert "Traceback" not in done.stderr
    (report,) = tmp_path.glob("teamflow-crash-*.txt")
    assert str(report) in done.stderr
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "Traceback" in text
    assert "ValueError: no [hidden]" in text
    assert "verb: run, options: --set" in text
    assert SECRET not in text
    assert "secret-word" not in text


def test_a_report_hides_what_the_runs_of_the_project_hide(tmp_path: Path) -> None:
    made = make_run(tmp_path, busy_plan(), FAILED)
    made.secrets({"NPM": SECRET})
    done = crash(tmp_path, "raise KeyError('" + SECRET + "')")
    (report,) = tmp_path.glob("teamflow-crash-*.txt")
    assert done.returncode == 70
    assert SECRET not in report.read_text()
    assert SECRET not in crash_report(ValueError("x"), ["run", SECRET], {})


def test_a_report_hides_what_is_encoded() -> None:
    secret = "pass word/1 & more"
    error = ValueError(f"https://u:{quote(secret)}@host and {b64encode(b'u:' + secret.encode()).decode()}")
    report = crash_report(error, ["run"], {"API_TOKEN": secret})
    assert "ValueError: https://u:***@host and dTp***" in report


def test_ctrl_c_and_closed_pipes(tmp_path: Path) -> None:
    assert crash(tmp_path, "raise KeyboardInterrupt").returncode == 130
    done = crash(tmp_path, "raise BrokenPipeError")
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    made = make_run(tmp_path, busy_plan(), FAILED)
    made.log("build--api.1.log", b"line\n" * 500_000)
    reader, writer = os.pipe()
    with subprocess.Popen(
        argv("logs", "build/api"), cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE
    ) as done:
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        _, err = done.communicate(timeout=30)
    assert (done.returncode, err) == (141, b"")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / ".teamflow").mkdir(mode=0o700)
    (tmp_path / ".teamflow" / "state.db").write_bytes(b"this is no database, whatever its name says" * 30)
    for words in (["status"], ["logs"], ["cancel", "--all"]):
        answer = process(tmp_path, *words)
        assert answer.code == 3
        assert "state.db" in answer.err
        assert "Traceback" not in answer.err


def test_a_record_of_a_newer_version(tmp_path: Path) -> None:
    import sqlite3

    made = make_run(tmp_path, busy_plan(), FAILED)
    with sqlite3.connect(tmp_path / ".teamflow" / "state.db") as database:
        database.execute("UPDATE records SET kind = 'Teleported' WHERE seq = 3")
    database.close()
    answer = process(made.root, "status")
    assert answer.code == 3
    assert "a newer teamflow wrote it" in answer.err


def test_stdout_that_is_full(tmp_path: Path) -> None:
    make_run(tmp_path, busy_plan(), FAILED)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            argv("events"), cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=30
        )
    assert done.returncode == 3
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
    assert REPOSITORY.is_dir()
