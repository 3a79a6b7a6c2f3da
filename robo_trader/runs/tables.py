"""`Table`: the rows of a run as typed records that also look good in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from robo_trader.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")
_SHOWN = 10


class Table(Sequence[Row], Generic[Row]):
    """Records in order: ``table[0].price``, ``table["price"]``, ``table.to_pandas()``.

    An integer gives a record, a slice a `Table`, a column's name the list of its values.
    """

    def __init__(self, kind: type[Row], rows: Iterable[Row]) -> None:
        self.kind = kind
        self.rows: tuple[Row, ...] = tuple(rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(f.name for f in fields(self.kind))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice) -> Table[Row]: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: int | slice | str) -> Row | Table[Row] | list[Any]:
        if isinstance(key, str):
            if key not in self.columns:
                raise UsageError(
                    f"no column {key!r}",
                    hint=did_you_mean(key, self.columns) or f"there are {', '.join(self.columns)}",
                )
            return [getattr(row, key) for row in self.rows]
        if isinstance(key, slice):
            return Table(self.kind, self.rows[key])
        return self.rows[key]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table):
            return self.kind is other.kind and self.rows == other.rows
        if isinstance(other, list | tuple):
            return list(self.rows) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} x {self.kind.__name__}: {', '.join(self.columns)}>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one column per field; times as UTC timestamps."""
        import pandas as pd

        frame = pd.DataFrame({name: self[name] for name in self.columns})
        for name in self.columns:
            if name.endswith("time") or name in ("at", "expires_at"):
                # Integers are nanoseconds since 1970, which is what pandas takes them for.
                frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>"
            + "".join(f"<td>{escape(_shown(getattr(row, name)))}</td>" for name in self.columns)
            + "</tr>"
            for row in self.rows[:_SHOWN]
        )
        more = f"<p>… {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
