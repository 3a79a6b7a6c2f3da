"""The report in a real browser: no console error, no request, no empty figure, no sideways scroll.

Chromium is driven through its DevTools protocol over two pipes, so that no driver, no port and no
package is needed. Without Chromium the tests skip and say so.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--hide-scrollbars",
    "--mute-audio",
    "--remote-debugging-pipe",
)
PATIENCE = 180.0
# Chromium reads commands from descriptor 3 and answers on 4; a shell's redirections know one digit only.
LAUNCHER = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
# Drawn, and not all of one colour: Bokeh stacks several canvases, and one of them has to be painted.
CANVASES = """
(() => {
  const walk = (node, out) => {
    if (node.tagName === "CANVAS") out.push(node);
    if (node.shadowRoot) walk(node.shadowRoot, out);
    for (const child of node.children || []) walk(child, out);
    return out;
  };
  const paint = (canvas) => {
    if (!canvas.width || !canvas.height) return 0;
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let inked = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]) inked++;
    return inked;
  };
  return [...document.querySelectorAll("[data-plot]")].map((plot) => ({
    name: plot.dataset.plot,
    state: plot.dataset.state || "",
    width: plot.getBoundingClientRect().width,
    height: plot.getBoundingClientRect().height,
    ink: walk(plot, []).map(paint).reduce((a, b) => Math.max(a, b), 0),
  }));
})()
"""
IMAGES = "[...document.images].map((i) => ({alt: i.alt, width: i.naturalWidth, height: i.naturalHeight}))"


class Chromium:
    """A headless browser with one page; keeps what it complained about and what it asked for."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-SEc", LAUNCHER, str(to_browser), str(from_browser), *command],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._next = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._next += 1
        message: dict[str, Any] = {"id": self._next, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def wait_for(self, event: str) -> None:
        """Read until `event` came."""
        while self._receive().get("method") != event:
            pass

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("Chromium did not answer")
            self._buffer += data
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"].get("exception", params)))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(a.get("value", a)) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')[:200]}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"][:200])
        elif method == "Network.loadingFailed":
            self.complaints.append(f"request failed: {params['errorText']}")

    def open(self, path: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Load `path` at a width in CSS pixels and wait until its charts are drawn."""
        self.complaints.clear()
        self.requests.clear()
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")
        # The script says when it is ready; two frames later everything is painted.
        self.run(
            "new Promise((done, give_up) => { const start = performance.now();"
            " const look = () => document.documentElement.dataset.ready"
            " ? requestAnimationFrame(() => requestAnimationFrame(() => done(true)))"
            " : performance.now() - start > 120000 ? give_up('the page never became ready')"
            " : requestAnimationFrame(look); look(); })"
        )

    def run(self, script: str) -> Any:
        """Evaluate `script` in the page and return its value."""
        got = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in got:
            raise RuntimeError(str(got["exceptionDetails"]))
        return got["result"].get("value")

    def close(self) -> None:
        """End the browser that this object started."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        os.close(self._write)
        os.close(self._read)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser for the tests of this module."""
    program = os.environ.get("ROBO_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no Chromium on PATH (looked for {', '.join(NAMES)})")
    if os.name != "posix":
        pytest.skip("Chromium is driven over inherited pipes, which need POSIX")
    browser = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def check(browser: Chromium, path: Path, width: int) -> None:
    """Fail on a complaint, a request, an empty chart or picture, or a page that scrolls sideways."""
    assert browser.complaints == []
    foreign = [url for url in browser.requests if not url.startswith("data:")]
    assert foreign == [path.resolve().as_uri()]
    for chart in browser.run(CANVASES):
        assert chart["state"] == "drawn", chart
        assert chart["width"] > 200 and chart["height"] > 200, chart
        assert chart["ink"] > 1500, chart
    for image in browser.run(IMAGES):
        assert image["width"] > 300 and image["height"] > 100, image
    # Not innerWidth: a phone zooms out until everything fits, and would hide the fault.
    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_the_report_is_whole_at_every_width(
    chromium: Chromium, ten_year_report: Path, width: int, dark: bool
) -> None:
    chromium.open(ten_year_report, width=width, dark=dark)
    check(chromium, ten_year_report, width)
    assert len(chromium.run(CANVASES)) == 2
    assert len(chromium.run(IMAGES)) > 25


def test_symbols_periods_and_lines_can_be_chosen(chromium: Chromium, ten_year_report: Path) -> None:
    chromium.open(ten_year_report, width=1280)
    look = """(() => {
      const doc = Bokeh.documents.find((d) => d.get_model_by_name("bars"));
      const bars = doc.get_model_by_name("bars"), figure = doc.roots()[0];
      const shown = (name) => figure.renderers.find((r) => r.name === name).visible;
      return {first: bars.data.close[0], last: bars.data.x[bars.data.x.length - 1],
              n: bars.data.x.length, span: figure.x_range.end - figure.x_range.start,
              trade: [...doc.get_model_by_name("fills").data.trade],
              candles: shown("candles"), closes: shown("closes")};
    })()"""
    before = chromium.run(look)
    assert before["n"] == 2520 and before["closes"] and not before["candles"]
    chromium.run('(() => { const s = document.getElementById("symbol"); s.value = "3";'
                 ' s.dispatchEvent(new Event("change")); })()')  # fmt: skip
    other = chromium.run(look)
    assert other["first"] != before["first"]
    assert set(other["trade"]).isdisjoint(before["trade"])
    # The other symbols' times travel as steps: they must end where the first one's end.
    assert other["last"] == before["last"] and other["n"] == 2520
    chromium.run("document.querySelector(\"[data-days='183']\").click()")
    # The period must hold once everything is painted: an automatic range would spring back.
    chromium.run(FRAMES)
    near = chromium.run(look)
    assert near["candles"] and not near["closes"]
    assert 183 <= near["span"] / 86_400_000 < 200
    button = 'document.querySelector("[data-series=s1]")'
    visible = (
        "Bokeh.documents.flatMap((d) => d.roots()).flatMap((r) => r.children || [])"
        '.flatMap((f) => f.renderers).filter((r) => r.name === "s1").map((r) => r.visible)'
    )
    assert chromium.run(visible) == [True, True]
    chromium.run(f"{button}.click()")
    assert chromium.run(visible) == [False, False]
    assert chromium.run(f'{button}.getAttribute("aria-pressed")') == "false"
    assert chromium.complaints == []


def at_mark(chromium: Chromium, index: int = 0) -> tuple[float, float]:
    """Scroll to the price chart and return where a fill is on the screen."""
    script = """(async () => {
      document.documentElement.style.scrollBehavior = "auto";
      const plot = document.getElementById("plot-prices");
      plot.scrollIntoView({block: "center"});
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const doc = Bokeh.documents.find((d) => d.get_model_by_name("fills"));
      const fills = doc.get_model_by_name("fills").data;
      const frame = Bokeh.index.get_by_id(doc.roots()[0].id).frame;
      const box = plot.getBoundingClientRect();
      return [box.x + frame.x_scale.compute(fills.x[INDEX]), box.y + frame.y_scale.compute(fills.y[INDEX])];
    })()"""
    spot = chromium.run(script.replace("INDEX", str(index)))
    return spot[0], spot[1]


def mouse(chromium: Chromium, kind: str, at: tuple[float, float], **more: Any) -> None:
    chromium.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], **more)


FRAMES = (
    "new Promise((done) => { let left = 10; const next = () => left-- ? requestAnimationFrame(next)"
    " : done(true); next(); })"
)
TOOLTIP = """(async () => {
  const walk = (node, out) => {
    if (node.classList && node.classList.contains("bk-Tooltip")) out.push(node);
    if (node.shadowRoot) walk(node.shadowRoot, out);
    for (const child of node.children || []) walk(child, out);
    return out;
  };
  for (let i = 0; i < 60; i++) {
    const found = walk(document.documentElement, []).map((n) => n.shadowRoot || n);
    const words = found.map((n) => [...n.children].filter((c) => c.tagName !== "STYLE")
      .map((c) => c.textContent).join(" ")).join(" ").trim();
    if (words) return {words, html: found.map((n) => n.innerHTML).join(" ")};
    await new Promise((done) => requestAnimationFrame(done));
  }
  return {words: "", html: ""};
})()"""


def test_a_mark_tells_its_reason_and_leads_to_its_trade(
    chromium: Chromium, ten_years: Any, ten_year_report: Path
) -> None:
    chromium.open(ten_year_report, width=1280)
    at = at_mark(chromium)
    mouse(chromium, "mouseMoved", at)
    trade = chromium.run(
        'Bokeh.documents.find((d) => d.get_model_by_name("fills")).get_model_by_name("fills").data.trade[0]'
    )
    words = chromium.run(TOOLTIP)["words"]
    because = next(t.because for t in ten_years.trades if t.trade_id == trade)
    assert because in words and f"trade {trade:.0f}" in words
    for kind in ("mousePressed", "mouseReleased"):
        mouse(chromium, kind, at, button="left", clickCount=1)
    chromium.run(
        "new Promise((done) => { let left = 60; const look = () => location.hash || !left--"
        " ? done(true) : requestAnimationFrame(look); look(); })"
    )
    assert chromium.run("location.hash") == f"#trade-{trade:.0f}"
    assert chromium.complaints == []


def test_a_candle_tells_its_prices(chromium: Chromium, ten_years: Any, ten_year_report: Path) -> None:
    chromium.open(ten_year_report, width=1280)
    chromium.run("document.querySelector(\"[data-days='183']\").click()")
    script = """(async () => {
      document.documentElement.style.scrollBehavior = "auto";
      const plot = document.getElementById("plot-prices");
      plot.scrollIntoView({block: "center"});
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const doc = Bokeh.documents.find((d) => d.get_model_by_name("bars"));
      const bars = doc.get_model_by_name("bars").data, i = bars.x.length - 40;
      const frame = Bokeh.index.get_by_id(doc.roots()[0].id).frame;
      const box = plot.getBoundingClientRect();
      return [box.x + frame.x_scale.compute(bars.x[i]), box.y + frame.y_scale.compute(bars.middle[i])];
    })()"""
    mouse(chromium, "mouseMoved", tuple(chromium.run(script)))
    words = chromium.run(TOOLTIP)["words"]
    symbol = chromium.run('document.querySelector("#symbol option").textContent')
    bars = next(frame for frame in ten_years.bars if frame.symbol == symbol)
    assert str(bars.session[-40]) in words
    got = {name: float(figure) for name, figure in re.findall(r"([OHLC]) ([\d.]+)", words)}
    want = {name[0].upper(): getattr(bars, name)[-40] for name in ("open", "high", "low", "close")}
    assert got == pytest.approx(want, abs=1e-3)
    assert chromium.complaints == []


def test_what_people_write_never_runs(chromium: Chromium, make: Any, tmp_path: Path) -> None:
    from robo_trader.report import write_report

    nasty = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script></script>'
    result = make(
        60, (f"A{nasty}", "B"), 8, because=lambda symbol, i: nasty, strategy=nasty, warnings=[nasty]
    )
    path = write_report(result, tmp_path / "report.html")
    chromium.open(path, width=1280)
    mouse(chromium, "mouseMoved", at_mark(chromium))
    shown = chromium.run(TOOLTIP)
    assert "onerror" in shown["words"], "the reason must be readable as text"
    assert "<img" not in shown["html"] and "<script" not in shown["html"]
    assert chromium.run("window.hacked") is None
    check(chromium, path, 1280)


def test_a_figure_explains_itself_on_a_phone(chromium: Chromium, ten_year_report: Path) -> None:
    chromium.open(ten_year_report, width=390, height=844)
    box = chromium.run(
        """(() => { const card = document.querySelectorAll(".card")[3]; card.focus();
        const box = card.querySelector(".bubble").getBoundingClientRect();
        return [box.left, box.right, box.top, box.bottom]; })()"""
    )
    assert box[0] >= 0 and box[1] <= 390 and box[2] >= 0 and box[3] <= 844
    assert chromium.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("n", "fills"), [(1, 0), (2, 1), (30, 0)])
def test_short_and_idle_runs_draw_too(
    chromium: Chromium, make: Any, tmp_path: Path, n: int, fills: int
) -> None:
    from robo_trader.report import write_report

    path = write_report(make(n, ("SPY",), fills), tmp_path / "report.html")
    chromium.open(path, width=390)
    check(chromium, path, 390)


def test_the_browser_does_notice_what_it_is_asked_to_notice(chromium: Chromium, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    policy = "default-src 'none'; script-src 'unsafe-inline'"
    page.write_text(
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<img src="https://example.invalid/x.png"><script>document.documentElement.dataset.ready = "yes";'
        'console.error("loud"); throw new Error("broken")</script>'
    )
    chromium.open(page, width=800)
    said = " ".join(chromium.complaints)
    assert "loud" in said and "broken" in said and "Content Security Policy" in said


def test_long_names_fit_on_a_phone(chromium: Chromium, make: Any, tmp_path: Path) -> None:
    from robo_trader.report import write_report

    name = "a_name_that_never_ends_" * 4
    result = make(40, ("B", f"{name}-FUT-GLOBEX-USD"), 10, strategy=name, because=lambda s, i: "x" * 300)
    path = write_report(result, tmp_path / "report.html")
    chromium.open(path, width=390)
    check(chromium, path, 390)
