"""A simulated Interactive Brokers gateway for rehearsals: the TWS wire protocol on loopback.

`server` listens, `session` speaks with one client, `core` holds market, account and orders together.
`wire`, `versions`, `orderwire` and the ``*_messages`` modules know the protocol; `synthetic` and `tape`
are markets; `desk` takes orders and `bar_matching` or `quote_matching` fill them; `control` and `faults`
misbehave on command. What is assumed of a real gateway stands in `assumptions` alone.
"""
