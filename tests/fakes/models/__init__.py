"""A model server of our own that plays scripts in the dialects of four providers, for tests with real agent CLIs.

with Models() as server:
    server.play(run("echo hi > said.txt"), say("done"))
    subprocess.run([...], env=clis.claude_env(server, home=tmp_path))
    assert server.calls()[1].says("hi")
"""

from tests.fakes.models.gates import Gate
from tests.fakes.models.record import DEFAULT, Request
from tests.fakes.models.script import (
    FOREVER,
    BadScript,
    Call,
    Edit,
    Fault,
    Read,
    Run,
    Step,
    Tool,
    Usage,
    Write,
    answer,
    call,
    cut,
    edit,
    fail,
    hang,
    read,
    run,
    say,
    tool,
    write,
)
from tests.fakes.models.server import Models

__all__ = [
    "DEFAULT",
    "FOREVER",
    "BadScript",
    "Call",
    "Edit",
    "Fault",
    "Gate",
    "Models",
    "Read",
    "Request",
    "Run",
    "Step",
    "Tool",
    "Usage",
    "Write",
    "answer",
    "call",
    "cut",
    "edit",
    "fail",
    "hang",
    "read",
    "run",
    "say",
    "tool",
    "write",
]
