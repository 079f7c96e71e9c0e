"""The keeper as a program, with the fake kqueue in the place where a Mac has the real one."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import select

    from tests.fakes import kqueue

    vars(select).update(vars(kqueue.API))
    from teamflow.keeper.program import main

    sys.exit(main(sys.argv[1:]))
