"""Makes so many old settings in $OUT/old, for the example to have something to migrate."""

import os
import sys
from pathlib import Path

directory = Path(os.environ["OUT"], "old")
directory.mkdir(parents=True, exist_ok=True)
for number in range(1, int(sys.argv[1]) + 1):
    text = f"[site]\nname = Site {number}\nport = {8000 + number}\n"
    (directory / f"site-{number:02}.ini").write_text(text)
