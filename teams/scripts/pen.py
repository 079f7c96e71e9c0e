"""A stand-in for a one-shot agent CLI, as teams/own-engine.yaml uses it: prompt on stdin, answer in JSON, sessions.

It writes the file that the prompt names. That a note needs a title it learns only when it is told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", metavar="SESSION")
    parser.add_argument("--model", default="pencil")
    options = parser.parse_args()
    prompt = sys.stdin.read()
    sessions = Path(os.environ.get("PEN_HOME", "."), "sessions")
    sessions.mkdir(parents=True, exist_ok=True)
    session = options.resume or f"pen-{os.getpid()}"
    history = sessions / f"{session}.txt"
    if options.resume and not history.exists():
        print(json.dumps({"error": {"message": f"there is no session {options.resume}"}}))
        return 1
    with history.open("a", encoding="utf-8") as file:
        file.write(prompt + "\n")

    asked = re.search(r"about (.+) to (\S+)\.", prompt)
    if asked is None:
        print(json.dumps({"error": {"message": "I only write notes ABOUT something TO a file."}}))
        return 1
    subject, path = asked.groups()
    lines = [f"This is about {subject}.", f"Written with a {options.model}."]
    if "needs a title" in prompt:
        lines = [f"# {subject.capitalize()}", "", *lines]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")

    print("pen: no network, none needed", file=sys.stderr)
    text = f'I wrote {path}: {{"lines": {len(lines)}}}'
    usage = {"read": len(prompt.split()), "written": len(text.split())}
    print(json.dumps({"result": {"text": text}, "session": session, "usage": usage}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
