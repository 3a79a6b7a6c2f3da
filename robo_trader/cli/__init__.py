"""The `robo` command: parse, call a verb of a lower floor, present what it returned.

Data goes to stdout; prose and progress go to stderr. Exit codes: 0 done, 1 it failed, 2 wrong
usage, 3 refused by a gate or limit, 130 interrupted. An error is one line; a traceback appears
with `--debug` only. Command modules are imported when their command is called, so that
`robo --help` stays fast.
"""
