"""Whether a new setting says what the old one said."""

import json
import sys
from pathlib import Path

old, new = (Path(name).read_text() for name in sys.argv[1:])
setting = json.loads(new)
assert old == f"[site]\nname = {setting['name']}\nport = {setting['port']}\n", new
