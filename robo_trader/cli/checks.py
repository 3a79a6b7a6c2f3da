"""What `robo doctor` looks at: one function a subject, each returning findings and never raising.

Nothing outside the standard library is imported here, and every part of this project is imported
inside a guarded check: doctor is what a user runs when something, pandas or the command line's own
parser included, cannot be imported.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from robo_trader.cli.packages import check_packages

State = Literal["ok", "warn", "fail"]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_LOW_DISK, _NO_DISK = 1_000_000_000, 50_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it is, what was seen and how to mend it."""

    name: str
    state: State
    detail: str
    fix: str = ""


def run_checks(*, config_path: str | None = None, out: str | None = None) -> list[Check]:
    """Look at everything and return the findings in reading order."""
    findings: list[Check] = []
    folder = Path(out or "runs")

    def settings() -> Iterator[Check]:
        nonlocal folder
        yield from check_config(config_path)
        if out is None:
            folder = _configured_out(config_path) or folder

    subjects: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("python", check_python),
        ("packages", check_required),
        ("broker library", check_broker_library),
        ("command", check_command),
        ("robo.toml", settings),
        ("plugins", lambda: check_plugins(config_path)),
        ("bundled data", check_bundled),
        ("time zones", check_time),
        ("text encoding", check_encoding),
        ("output folder", lambda: check_folder(folder)),
        ("calendar cache", check_cache),
        ("browser", check_browser),
    ]
    for name, subject in subjects:
        try:
            findings.extend(subject())
        except Exception as error:  # noqa: BLE001 - the next subject must still be looked at
            text = " ".join(f"{type(error).__name__}: {error}".split())
            findings.append(Check(name, "fail", text, "run 'robo doctor' after mending the findings above"))
    return findings


def check_python() -> Iterator[Check]:
    """The interpreter's version, against the range this project is tested on."""
    seen = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Check("python", "ok", f"{seen} at {sys.executable}")
    else:
        yield Check("python", "fail", f"{seen}; needs 3.11 to 3.13", "make the environment with python3.13")


def check_required() -> Iterator[Check]:
    """Every required package: there, at a good version, importable."""
    for name, state, detail, fix in check_packages():
        yield Check(name, state, detail, fix)


def check_broker_library() -> Iterator[Check]:
    """One library for Interactive Brokers, or none: two break each other."""
    from robo_trader.errors import UsageError
    from robo_trader.ib.library import load

    try:
        library = load()
    except UsageError as error:
        # Only 'robo paper' and what speaks to a gateway needs one.
        yield Check("broker library", "warn", error.message, error.hint or "")
    else:
        yield Check("broker library", "ok", f"{library.name} {library.version}")


def check_command() -> Iterator[Check]:
    """Whether the `robo` that a shell finds is the one of this environment."""
    found = shutil.which("robo")
    if found is None:
        scripts = Path(sys.executable).parent
        yield Check("command", "ok", f"'robo' is not on PATH; it is called as {scripts / 'robo'}")
    elif Path(found).parent.resolve() == Path(sys.executable).parent.resolve():
        yield Check("command", "ok", found)
    else:
        fix = f"call {Path(sys.executable).parent / 'robo'} or activate its environment"
        yield Check("command", "warn", f"the shell's 'robo' is another one: {found}", fix)


def check_config(path: str | None = None) -> Iterator[Check]:
    """Whether `robo.toml` can be read and holds known keys."""
    from robo_trader.config import load_config
    from robo_trader.errors import RoboError

    try:
        config = load_config(path)
    except RoboError as error:
        yield Check("robo.toml", "fail", error.message, error.hint or "mend the file")
        return
    source = getattr(config, "path", None)
    yield Check("robo.toml", "ok", str(source) if source else "none here: every setting has its default")


def _configured_out(path: str | None) -> Path | None:
    from robo_trader.config import load_config
    from robo_trader.errors import RoboError

    try:
        return Path(str(load_config(path).get("run.out")))
    except RoboError:
        return None


def check_plugins(path: str | None = None) -> Iterator[Check]:
    """Every quarantined plugin with its reason; built-ins alone are loaded if the host cannot."""
    from robo_trader.config import load_config
    from robo_trader.errors import RoboError
    from robo_trader.plugins import load_host

    try:
        config = load_config(path)
    except RoboError:
        config = None
    rows = load_host(config).rows()
    for row in rows:
        if row.state == "quarantined":
            fix = row.fix or f"pip uninstall {row.name}, or add it to [plugins] disabled"
            yield Check(f"plugin {row.name}", "warn", " ".join(str(row.error).split()), fix)
    good = sum(row.state == "ok" for row in rows)
    yield Check("plugins", "ok", f"{good} loaded")


def check_bundled() -> Iterator[Check]:
    """Whether the demonstration's data came with the installation."""
    folder = Path(__file__).resolve().parent.parent / "bundled"
    files = [f for f in folder.rglob("*") if f.suffix in {".csv", ".jsonl", ".gz", ".npz"}]
    if files:
        size = _size(sum(f.stat().st_size for f in files))
        yield Check("bundled data", "ok", f"{len(files)} files, {size}")
    else:
        fix = "pip install --force-reinstall robo_trader"
        yield Check("bundled data", "fail", f"nothing in {folder}", fix)


def check_time() -> Iterator[Check]:
    """Whether the time zone database knows New York and its summer time."""
    from datetime import datetime
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        hours = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("America/New_York")).strftime("%z")
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        yield Check("time zones", "fail", f"America/New_York: {error}", "pip install tzdata")
        return
    if hours != "-0400":
        seen = f"New York in July reads {hours}, not -0400"
        yield Check("time zones", "fail", seen, "pip install -U tzdata")
    else:
        yield Check("time zones", "ok", "the database knows New York and its summer time")


def check_encoding() -> Iterator[Check]:
    """Whether text files and the terminal are read as UTF-8."""
    # The original stream: a progress display may stand in front of sys.stdout.
    stream = sys.__stdout__ or sys.stdout
    terminal = (getattr(stream, "encoding", "") or "").lower().replace("-", "")
    if terminal == "utf8":
        yield Check("text encoding", "ok", "UTF-8")
    else:
        fix = "set PYTHONUTF8=1; characters that cannot be shown appear as '?'"
        yield Check("text encoding", "warn", f"the terminal speaks {terminal or 'nothing known'}", fix)


def check_folder(folder: Path) -> Iterator[Check]:
    """Whether runs can be written, and how much room there is."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        fix = "choose another with --out or [run] out"
        yield Check("output folder", "fail", f"{folder}: {there} is a file, not a folder", fix)
        return
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        fix = "choose another with --out or [run] out, or change its permissions"
        yield Check("output folder", "fail", f"{folder}: {error.strerror or error}", fix)
    else:
        made = "" if folder.exists() else " (made by the first run)"
        yield Check("output folder", "ok", f"{folder}{made}")
    free = shutil.disk_usage(there).free
    state: State = "fail" if free < _NO_DISK else "warn" if free < _LOW_DISK else "ok"
    fix = "" if state == "ok" else "free some space: a run with its report takes up to 10 MB"
    yield Check("disk space", state, f"{_size(free)} free", fix)


def check_cache() -> Iterator[Check]:
    """Where the exchange calendars are kept; without the cache each run takes a second longer."""
    try:
        from platformdirs import user_cache_dir
    except ImportError as error:
        yield Check("calendar cache", "warn", str(error), "pip install platformdirs")
        return
    folder = Path(user_cache_dir("robo_trader"))
    there = folder
    while not there.exists():
        there = there.parent
    if os.access(there, os.W_OK):
        made = "" if folder.exists() else " (made when first needed)"
        yield Check("calendar cache", "ok", f"{folder}{made}")
    else:
        fix = "change its permissions or set XDG_CACHE_HOME; runs work without, a second slower"
        yield Check("calendar cache", "warn", f"{folder} is not writable", fix)


def check_browser() -> Iterator[Check]:
    """Chromium is optional: reports open in any browser, only this project's own tests drive one."""
    found = next((path for path in map(shutil.which, CHROMIUM) if path), None)
    if found:
        yield Check("browser", "ok", found)
    else:
        seen = "no Chromium: reports open in any browser; only the project's own browser tests need it"
        yield Check("browser", "ok", seen, "apt install chromium, if you work on robo_trader itself")


def verdict(checks: list[Check]) -> str:
    """Return one sentence on `checks`."""
    failed = sum(c.state == "fail" for c in checks)
    warned = sum(c.state == "warn" for c in checks)
    aside = f"{warned} to know of" if warned else ""
    if failed:
        problems = f"{failed} {'problem' if failed == 1 else 'problems'} to mend"
        return f"{problems}, {aside}" if aside else problems
    return f"ready; {aside}" if aside else "ready"


def as_dict(checks: list[Check]) -> dict[str, object]:
    """Return what `robo doctor --json` prints."""
    return {"ok": all(c.state != "fail" for c in checks), "checks": [asdict(c) for c in checks]}


def report_plainly(*, as_json: bool) -> int:
    """Run and print every check without any third-party package; return the exit code."""
    checks = run_checks()
    if as_json:
        sys.stdout.write(json.dumps(as_dict(checks), indent=2) + "\n")
    else:
        for check in checks:
            fix = f"\n      fix: {check.fix}" if check.fix else ""
            sys.stdout.write(f"{check.state:<4}  {check.name}: {check.detail}{fix}\n")
        sys.stdout.flush()
        sys.stderr.write(verdict(checks) + "\n")
    return int(any(c.state == "fail" for c in checks))


def _size(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"
