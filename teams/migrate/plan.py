"""Prints what there is to move, as the list that the matrix of `move` takes."""

import json
import os
from pathlib import Path

out = Path(os.environ["OUT"])
files = sorted((out / "old").glob("*.ini"))
print(
    json.dumps([{"id": file.stem, "from": str(file), "to": str(out / "new" / f"{file.stem}.json")} for file in files])
)
