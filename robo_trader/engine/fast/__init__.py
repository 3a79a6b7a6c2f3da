"""The fast way through a run: Backtrader's objects and fills, without the work that changes nothing.

Nothing installed is patched. Feeds and indicators of one clock share a cursor (`cursor`), common
indicators are computed as arrays (`once`), the order of bars is worked out once (`schedule`), the
broker works only where it has something to do (`books`, `stock`, `honest`), and the account's
history is worked out after the run (`valuation`). What a part cannot do the fast way it does the
plain way, and the run's record says so (`way`).
"""
