"""`robo gateway`: a simulated Interactive Brokers gateway on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader.cli import options, out
from robo_trader.cli.help import RoboCommand, example, single

if TYPE_CHECKING:
    from robo_trader.gateway.server import GatewayServer
    from robo_trader.gateway.settings import GatewaySettings

app = single()

_SERVE = "What it serves"
_WIRE = "Ports and protocol"
_RULES = "Time and matching"


def _option(panel: str, metavar: str, *names: str, text: str) -> Any:
    return options.option(panel, metavar, *names, text=text)


@app.command(cls=RoboCommand)
@example(
    "robo gateway --universe demo",
    "robo gateway --bars bundled --symbols SPY,QQQ --events bundled --start 2019-01-02 --speed 1d/s",
    "robo gateway --bars data --speed lockstep --matching bars --books books.sqlite",
)
def gateway(
    ctx: typer.Context,
    universe: Annotated[
        str | None,
        _option(_SERVE, "demo", "--universe", text="The small always open universe with synthetic prices."),
    ] = None,
    bars: options.Bars = None,
    symbols: options.Symbols = None,
    events: options.Events = None,
    timeframe: options.Timeframe = None,
    start: Annotated[
        str | None,
        _option(_SERVE, "DATE", "--start", text="First session of the replay; earlier bars are history."),
    ] = None,
    end: options.End = None,
    port: Annotated[
        int, _option(_WIRE, "N", "--port", text="The port for clients (default 4002; 0: a free one).")
    ] = 4002,
    control: Annotated[
        int, _option(_WIRE, "N", "--control", text="The port for commands (default 4102; 0: a free one).")
    ] = 4102,
    max_version: Annotated[
        int, _option(_WIRE, "N", "--max-version", text="The highest protocol version spoken, 157 to 178.")
    ] = 178,
    pacing: Annotated[
        bool,
        typer.Option(
            "--pacing", help="Apply the published limits of historical requests.", rich_help_panel=_WIRE
        ),
    ] = False,
    speed: Annotated[
        str,
        _option(_RULES, "60x|1d/s|max|lockstep", "--speed", text="How fast the replay runs (default 1x)."),
    ] = "1x",
    matching: Annotated[
        str | None,
        _option(
            _RULES, "bars|quotes", "--matching", text="Fill as a backtest does, or against quotes (default)."
        ),
    ] = None,
    latency: Annotated[
        float, _option(_RULES, "SECONDS", "--latency", text="Before an order reaches the market (default 0).")
    ] = 0.0,
    cash: Annotated[
        float, _option(_RULES, "AMOUNT", "--cash", text="Cash of new books (default 1000000).")
    ] = 1e6,
    commission: Annotated[
        float | None,
        _option(
            _RULES, "FRACTION", "--commission", text="Of each fill's value (default: the broker's schedule)."
        ),
    ] = None,
    slippage: Annotated[
        float,
        _option(_RULES, "FRACTION", "--slippage", text="Of the price, with --matching bars (default 0)."),
    ] = 0.0,
    seed: Annotated[int, _option(_RULES, "N", "--seed", text="Of the synthetic prices (default 0).")] = 0,
    account: Annotated[
        str, _option(_RULES, "ID", "--account", text="The account's id (default DU1234567).")
    ] = "DU1234567",
    books: Annotated[
        str | None,
        _option(
            _RULES, "FILE", "--books", text="Keep orders, executions and positions here, and go on from them."
        ),
    ] = None,
    config_file: options.ConfigFile = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Log warnings only.", rich_help_panel=options.OUTPUT)
    ] = False,
) -> None:
    """Run a simulated Interactive Brokers gateway on this machine.

    Any TWS client can connect to it. It speaks the real wire protocol on loopback, serves the demo universe
    or replays bars and events, and misbehaves on command: the control port takes JSON lines such as
    {"cmd": "lost"}. Ctrl-C stops it.
    """
    import asyncio

    from robo_trader.gateway.settings import GatewaySettings, Limits

    if (universe is None) == (bars is None):
        from robo_trader.errors import UsageError

        raise UsageError(
            "nobody said what to serve"
            if bars is None
            else "it serves one of --universe and --bars, not both",
            hint="use --universe demo, or --bars with a folder or 'bundled'",
        )
    settings = GatewaySettings(
        port=port,
        control_port=control,
        account=account,
        cash=cash,
        matching=matching or "quotes",  # type: ignore[arg-type]  # the settings check it
        max_version=max_version,
        speed=speed,
        books=books,
        seed=seed,
        latency=latency,
        slippage=slippage,
        commission=commission,
        limits=Limits(pace_history=pacing),
    )
    _log(quiet)
    server = _server(settings, universe, dict(ctx.params), config_file)
    asyncio.run(_serve(server))


def _log(quiet: bool) -> None:
    """Send the gateway's log to stderr, one line a message."""
    import logging

    log = logging.getLogger("robo_trader.gateway")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False


def _server(
    settings: GatewaySettings, universe: str | None, given: dict[str, Any], config_file: str | None
) -> GatewayServer:
    """Return the server, its bars and events read."""
    from robo_trader.errors import UsageError, did_you_mean
    from robo_trader.gateway.build import demo_gateway, replay_gateway

    if universe is not None:
        if universe != "demo":
            near = did_you_mean(universe, ["demo"]) or "use demo"
            raise UsageError(f"there is no universe {universe!r}", hint=near)
        only = ("symbols", "events", "timeframe", "start", "end")
        if extra := next((name for name in only if given[name]), None):
            raise UsageError(f"--{extra} is for --bars", hint="the demo universe has its own data")
        return demo_gateway(settings)
    from robo_trader.cli.inputs import flags_of
    from robo_trader.config import load_config
    from robo_trader.inputs import read_inputs
    from robo_trader.plugins import load_host

    start = given.pop("start")
    flags = {key: value for key, value in flags_of(given).items() if key.startswith(("bars.", "events."))}
    # What robo.toml names are the sources of a session, read as they come: no part of a replay.
    flags["events.sources"] = flags["events.sources"] or []
    flags |= {"run.symbols": given["symbols"], "run.timeframe": given["timeframe"], "run.end": given["end"]}
    config = load_config(config_file, flags=flags)
    inputs = read_inputs(config, load_host(config), None, None, demonstration=False)
    return replay_gateway(settings, inputs.frames, inputs.events, start)


async def _serve(server: GatewayServer) -> None:
    """Run until interrupted; stop in order."""
    import asyncio
    import contextlib
    import signal

    loop = asyncio.get_running_loop()
    try:
        await server.start()
        with contextlib.suppress(NotImplementedError):  # Windows has no such handler
            loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(server.stop()))
        gateway = server.gateway
        for note in gateway.market.notes:
            out.note(note)
        served = f"{gateway.market.name}, {len(gateway.universe)} contracts"
        out.note(f"simulated gateway: {served}, account {gateway.account.name}")
        out.note(f"clients: 127.0.0.1:{server.port}, protocol up to {gateway.settings.max_version}")
        out.note(f"commands: 127.0.0.1:{server.control_port}, JSON lines; Ctrl-C stops")
        await server.ended.wait()
    except asyncio.CancelledError:
        out.note("stopping")
        raise
    finally:
        await server.stop()
