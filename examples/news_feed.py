"""An event source: an RSS feed becomes events that a strategy hears of in time.

Run it with ``python examples/news_feed.py``. As a plugin, the class `Feed` would be registered with
``add.event_source("feed", "my_package:Feed")`` and used as ``robo backtest … --events feed``.
"""

from datetime import UTC, datetime

import feedparser

import robo_trader

DOCUMENT = """<rss version="2.0"><channel><title>Made-up headlines</title>
<item><title>Index funds see record inflows</title><link>https://example.org/1</link>
<pubDate>Tue, 05 Mar 2019 15:20:00 -0500</pubDate></item>
<item><title>Shipping strike ends after a week</title><link>https://example.org/2</link>
<pubDate>Thu, 07 Mar 2019 11:00:00 GMT</pubDate></item>
<item><title>Exchange closes early for the holiday</title><link>https://example.org/3</link>
<pubDate>Wed, 03 Jul 2019 13:30:00 -0400</pubDate></item>
</channel></rss>"""


class Feed(robo_trader.EventSource):
    """The entries of an RSS or Atom document; `document` is a text, a file's path or an address."""

    def __init__(self, document=DOCUMENT):
        self.document = document

    def fetch(self, since, until):
        for entry in feedparser.parse(self.document).entries:
            published = datetime(*entry.published_parsed[:6], tzinfo=UTC)  # feedparser gives UTC
            if since <= published < until:
                yield robo_trader.Event(
                    kind="news", title=entry.title, url=entry.link, published_at=published, symbols=("SPY",)
                )


class Reader(robo_trader.Strategy):
    """Say when each headline was heard, and what was the last price known then."""

    def notify_event(self, event):
        close = self.bars[0].close[0]
        print(f"{self.now:%a %Y-%m-%d %H:%M} UTC  {event.title!r}; SPY last closed at {close}")


since, until = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
robo_trader.backtest(
    Reader,
    symbols=["SPY"],
    events=list(Feed().fetch(since, until)),
    start=since.date(),
    end=until.date(),
    save=False,
)
