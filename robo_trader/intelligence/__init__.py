"""What turns events into views and signals; so far only the base class of analysts is here."""
