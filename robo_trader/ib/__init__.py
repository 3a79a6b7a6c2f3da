"""The line to Interactive Brokers, through ib_insync or ib_async, will live here; there is nothing yet."""
