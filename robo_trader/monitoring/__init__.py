"""What tells people of a running session; so far only the base class of notifiers is here."""
