"""MCP servers: one canonical form, and its translation from and to the settings of agents and editors. Pure.

What a format has no word for is a `Loss`, a value that callers show: nothing is dropped in silence.
"""
