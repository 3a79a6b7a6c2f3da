"""How good the offline analyst is on labelled sentences, beside VADER and a guess, and how fast.

    python benchmarks/offline_analyst.py SENTENCES.csv --vader ENVIRONMENT/bin/python

The file has a label (positive, negative, neutral) and the sentence in columns `label` and `sentence` or
`text`. It stays where it is: nothing of it is kept but the figures. VADER is no dependency; `--vader` names
the Python of an environment of its own in which `vaderSentiment` is installed. `--write` records the
figures with `--name`, the data's name, in the package, where reports take them from.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import platform
import statistics
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from robo_trader.events.hygiene import clean
from robo_trader.intelligence.offline import OfflineAnalyst
from robo_trader.intelligence.offline.scoring import Scores, label_of, scores
from robo_trader.records import Event

SCORE = Path(__file__).parents[1] / "robo_trader" / "intelligence" / "offline" / "data" / "score.toml"
#: VADER's own threshold of its compound score, and a higher one that suits company news better.
THRESHOLDS = (0.05, 0.5)
_ASK_VADER = """
import json, sys
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
analyser = SentimentIntensityAnalyzer()
print(json.dumps([analyser.polarity_scores(text)["compound"] for text in json.load(sys.stdin)]))
"""


def rows_of(path: Path) -> list[tuple[str, str]]:
    """Return (sentence, label) of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row.get("sentence") or row["text"], row["label"]) for row in csv.DictReader(file)]


def vader(python: str, texts: list[str]) -> list[float]:
    """Return VADER's compound score of each text, asked of another Python."""
    done = subprocess.run(
        [python, "-c", _ASK_VADER], input=json.dumps(texts), capture_output=True, check=True, text=True
    )
    return list(json.loads(done.stdout))


def half(text: str) -> int:
    """Return in which half a sentence lies, by its hash: errors were looked at in half 0 alone."""
    return hashlib.sha256(text.encode()).digest()[0] % 2


def line(name: str, found: Scores) -> str:
    """Return one row of the table."""
    return (
        f"{name:<22} {found.n:5} {found.accuracy:9.3f} {found.macro_f1:9.3f} {found.recall_positive:9.3f}"
        f" {found.recall_negative:9.3f} {found.recall_neutral:9.3f} {found.opposite:9.2%}"
    )


def speed(texts: list[str]) -> tuple[list[float], list[float]]:
    """Return milliseconds on the wall and of the processor for each event, hygiene included.

    Events are read one by one, as in a run. The processor's time says what a busy machine hides.
    """
    analyst = OfflineAnalyst()
    now = datetime.now(UTC)
    wall, busy = [], []
    for text in texts:
        start, used = time.perf_counter(), time.thread_time()
        analyst.read(Event(kind="news", title=clean(text).text, published_at=now))
        busy.append((time.thread_time() - used) * 1000)
        wall.append((time.perf_counter() - start) * 1000)
    return sorted(wall), sorted(busy)


def write(found: Scores, name: str) -> None:
    """Record the figures in the package."""
    table = [f"{name} = {round(value, 4)}" for name, value in asdict(found).items()]
    head = [
        "# Written by benchmarks/offline_analyst.py; reports and 'robo ask' print it.",
        f'date = "{datetime.now(UTC).date()}"',
        f"data = {json.dumps(name)}",
        "",
        "[scores]",
    ]
    SCORE.write_text("\n".join([*head, *table]) + "\n", encoding="utf-8")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Score the offline analyst on labelled sentences.")
    parser.add_argument("file", type=Path, help="CSV with the columns sentence (or text) and label")
    parser.add_argument("--vader", metavar="PYTHON", help="a Python that has vaderSentiment")
    parser.add_argument("--write", action="store_true", help="record the figures in the package")
    parser.add_argument("--name", default="", help="the data's name, for --write")
    given = parser.parse_args()
    rows = rows_of(given.file)
    analyst = OfflineAnalyst()
    answers = [(text, label, label_of(analyst.judge(text))) for text, label in rows]
    found = scores((label, said) for _, label, said in answers)
    most = statistics.mode(label for _, label in rows)
    print(f"{'':22} {'n':>5} {'accuracy':>9} {'macro-F1':>9} {'recall +':>9} {'recall -':>9}", end="")
    print(f" {'recall 0':>9} {'opposite':>9}")
    print(line("offline", found))
    for side in (0, 1):
        print(line(f"  half {side} by hash", scores((a, b) for t, a, b in answers if half(t) == side)))
    if given.vader:
        compound = vader(given.vader, [text for text, _ in rows])
        for least in THRESHOLDS:
            said = ["positive" if c >= least else "negative" if c <= -least else "neutral" for c in compound]
            pairs = [(label, s) for (_, label), s in zip(rows, said, strict=True)]
            print(line(f"VADER, threshold {least}", scores(pairs)))
    print(line(f"always {most}", scores((label, most) for _, label in rows)))
    for name, took in zip(("wall", "processor"), speed([text for text, _ in rows] * 3), strict=True):
        print(
            f"per event, {name}: median {statistics.median(took):.3f} ms,"
            f" p99 {took[int(0.99 * len(took))]:.3f} ms, max {took[-1]:.3f} ms,"
            f" {1000 / statistics.mean(took):,.0f} a second"
        )
    print(f"Python {platform.python_version()}")
    if given.write:
        write(found, given.name or given.file.stem)


if __name__ == "__main__":
    main()
