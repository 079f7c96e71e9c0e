"""Moves one old setting to a new one. site-13 is locked when it is tried for the first time."""

import json
import os
import sys
from configparser import ConfigParser
from pathlib import Path

old, new = map(Path, sys.argv[1:])
if old.stem == "site-13" and os.environ["TEAMFLOW_ATTEMPT"] == "1":
    sys.exit(f"{old} is locked")
settings = ConfigParser()
settings.read(old)
new.parent.mkdir(exist_ok=True)
new.write_text(json.dumps({"name": settings["site"]["name"], "port": settings.getint("site", "port")}) + "\n")
