"""The process keeper: starts, watches and kills the processes of one run on one target.

It runs as a program of its own (see `docs/keeper-protocol.md`) and imports nothing of teamflow. The runner may import
`files`, `journal`, `names`, `proc` and `reaper` from here; the other modules are the program's.
"""
