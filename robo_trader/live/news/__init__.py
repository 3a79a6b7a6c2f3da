"""The news beside a session: sources, analysts, signals, and what a strategy hears of them."""
