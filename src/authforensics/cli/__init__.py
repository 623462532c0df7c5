"""The command line: the only place that reads arguments, prints, and picks the exit code; one module a command.

Nothing heavy is imported before a command runs: `--help` must be quick.
"""
