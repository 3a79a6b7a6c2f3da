"""Stopping: what a session does when trading is halted, and what is done to one that does not."""
