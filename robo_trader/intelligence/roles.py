"""Names of roles that everybody may speak without loading what reads events."""

from __future__ import annotations

#: The role that is the clamped consensus of all chosen analysts.
NEWS = "news"
#: The analyst that needs no model and no network.
OFFLINE = "offline"
