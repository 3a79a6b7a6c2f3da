"""The line to Interactive Brokers, through ib_insync or ib_async.

`library` is the one place that imports either; `connection` runs it in a thread of its own and hands over
the messages of `messages`; `contracts` names what is traded; `history` is a bar source; `executions` works
out orders and fills from messages that may come twice, late or out of order.
"""
