"""The steps before an order, in words: event, view, signal, and what the guard said of it.

Works on what `Reader.chain` returns. A step that nobody wrote down is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

Step = tuple[datetime, int, str]


def steps_before(chain: dict[str, Any], shown: set[tuple[str, int]]) -> Iterator[Step]:
    """Yield (time, rank, text) for what led to an order; what is in `shown` already is not repeated."""
    for link in chain["evidence"]:
        yield from _once(shown, "event", link["event"], _event)
        view, event = link["view"], link["event"]
        if view is not None and view["at"] is None:
            # A replayed view has no time of its own: it was read out of its event.
            view = {**view, "at": event["known_at"] if event else chain["order"]["at"]}
        yield from _once(shown, "view", view, _view)
    yield from _once(shown, "event", chain["event"], _event)
    yield from _once(shown, "signal", chain["signal"], _signal)


def guard_lines(chain: dict[str, Any] | None) -> list[str]:
    """Return what the guard said of an order: nothing where it let it pass as it was."""
    decision = chain["decision"] if chain else None
    if decision is None or chain is None:
        return []
    lines = []
    if decision["action"] == "resize":
        asked, decided = (_size(decision[name], digits=6) for name in ("asked", "decided"))
        lines.append(f"the guard made it smaller: {decided} of {asked}")
    elif decision["action"] == "veto":
        lines.append("the guard refused it")
    answered = [_answer(answer) for answer in chain["answers"]]
    # The rules' own answers first; then what was said besides them.
    told = {f"{answer['rule']}: {answer['reason']}" for answer in chain["answers"]}
    others = [reason for reason in decision["reasons"] if reason not in told]
    lines += [f"  {words}" for words in (*answered, *others)]
    if decision["repeats"] > 1:
        lines.append(f"  asked {decision['repeats']:,} times in a row; the figures are the first time's")
    return lines


def changes_of(chain: dict[str, Any]) -> Iterator[Step]:
    """Yield (time, rank, text) for each change of an order, with what became of it."""
    rows = chain["modifications"]
    answers = {row["answers"]: row for row in rows if row["answers"] is not None}
    for row in rows:
        if row["answers"] is not None:
            continue
        prices = "".join(
            f", {word} {float(row[name]):,g}"
            for word, name in (("limit", "limit_price"), ("stop", "stop_price"))
            if row[name] is not None
        )
        to = f"to {_size(row['size'], digits=6)}{prices}" if row["size"] is not None else ""
        end = row if row["state"] != "asked" else answers.get(row["number"], row)
        because = f"\nbecause {row['reason']}" if row["reason"] and row["state"] != "refused" else ""
        name = f"order {row['order_number']}"
        if end["state"] == "refused":
            yield row["at"], 0, f"{name}: a change {to} was refused: {end['reason']}{because}"
        elif end["state"] == "holds" or any(n > row["number"] for n in answers):
            yield row["at"], 0, f"{name} was changed {to}{because}"
        else:
            yield row["at"], 0, f"{name} was to be changed {to}, and nothing was heard of it{because}"


def _once(shown: set[tuple[str, int]], kind: str, row: dict[str, Any] | None, tell: Any) -> Iterator[Step]:
    if row is not None and (kind, row["number"]) not in shown:
        shown.add((kind, row["number"]))
        yield tell(row)


def _event(row: dict[str, Any]) -> Step:
    at = row["known_at"] or row["published_at"]
    source = f" ({row['source']})" if row["source"] else ""
    url = f"\n{row['url']}" if row["url"] else ""
    return at, -3, f"{row['kind']}: {row['title']}{source}{url}"


def _view(row: dict[str, Any]) -> Step:
    model = f" with {row['model']}" if row["model"] else ""
    because = f"\nbecause {row['because']}" if row["because"] else ""
    prompt = f"\nprompt {row['prompt_hash'][:12]}" if row["prompt_hash"] else ""
    sample = "\nthe model may have known the outcome" if row["in_sample"] else ""
    said = f"{row['symbol']} {row['score']:+.2f}, confidence {row['confidence']:.2f}"
    return row["at"], -2, f"{row['analyst'] or 'an analyst'}{model}: {said}{because}{prompt}{sample}"


def _signal(row: dict[str, Any]) -> Step:
    until = f", until {row['expires_at']:%Y-%m-%d %H:%M}Z" if row["expires_at"] else ""
    said = f"{row['value']:+.2f}, confidence {row['confidence']:.2f}{until}"
    return row["at"], -1, f"signal {row['name']} for {row['symbol']}: {said}"


def _size(exact: Decimal, digits: int = 2) -> str:
    """Return a size for reading: what a limit leaves room for has sixteen digits."""
    return f"{exact:,.{digits}f}".rstrip("0").rstrip(".") if exact >= 1 else f"{float(exact):.{digits + 2}g}"


def _answer(row: dict[str, Any]) -> str:
    """Return a rule with its action and its numbers, then its own words."""
    action = row["action"]
    if action == "resize" and row["size"] is not None:
        action = f"resize to {_size(row['size'])}"
    elif action == "veto" and row["size"]:
        action = f"veto, but for {_size(row['size'])} that close the position"
    seen = [
        f"{word} {row[name]:.4g}"
        for word, name in (("would be", "seen"), ("limit", "limit_value"))
        if row[name] is not None
    ]
    numbers = f" ({', '.join(seen)})" if seen else ""
    return f"{row['rule']}: {action}{numbers}" + (f": {row['reason']}" if row["reason"] else "")
