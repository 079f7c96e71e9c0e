"""teamflow: docker compose, make and terraform for teams of coding agents. Importing this does nothing."""

__version__ = "0.1.0"
