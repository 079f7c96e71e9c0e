"""Ctrl-C that Python would drop."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from pydantic_core import SchemaValidator, core_schema

from teamflow.cli.errors import guarded

WHERE = {
    "finalizer": """
class Gone:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass
gone = Gone()
del gone
""",
    "weak reference": """
class Gone: pass
def callback(ref):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
gone = Gone()
ref = weakref.ref(gone, callback)
del gone
""",
}


@pytest.mark.parametrize("where", WHERE)
def test_what_is_dropped_is_raised_again(where: str) -> None:
    program = f"""
import os, signal, time, weakref
from teamflow.cli.interrupts import keep_interrupts
keep_interrupts()
{WHERE[where]}
print("dropped", flush=True)
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() in ("dropped", ""), "a busy machine may come to it late, or in the middle"
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")


def test_other_exceptions_there_are_told_as_ever() -> None:
    program = """
from teamflow.cli.interrupts import keep_interrupts
keep_interrupts()
class Gone:
    def __del__(self): raise ValueError("told")
Gone()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "ValueError: told" in done.stderr


def test_what_pydantic_turns_into_an_error_of_its_own_is_still_an_interrupt(capfd: pytest.CaptureFixture[str]) -> None:
    def building() -> int:
        class Interrupting:
            def __repr__(self) -> str:
                raise KeyboardInterrupt

        SchemaValidator(core_schema.literal_schema([Interrupting()]))
        return 0

    assert guarded(building) == 130
    assert capfd.readouterr().err == ""
