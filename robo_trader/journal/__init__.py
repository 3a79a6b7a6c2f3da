"""The journal: what was known, decided, sent and filled, on SQLite or PostgreSQL.

A backtest writes its own in bulk (`journal.bulk`), paper and live sessions write each step as it
happens (`journal.live.open_journal`), and both are read by the same questions (`journal.reading`).
`docs/journal.md` gives the format.
"""
