"""News: feeds and calendars become events, dated as they were seen and linked to instruments.

`feed` reads the bytes, `dates` the times, `fetching` asks a server once, `polling` asks all of them again and
again, `linking` finds the symbols, `calendars` reads what is planned, and `sources` offers the
publishers' lists as event sources. What a stranger writes is cleaned (`events.hygiene`) before it is stored.
"""
