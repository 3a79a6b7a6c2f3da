"""The kit for tests of plugins and analysts: public, and reached as `robo_trader.testing`.

`ModelServer` is a scripted model server on loopback; see `robo_trader.testing.model_server`.
"""

from robo_trader.testing.model_server import (
    FAULTS,
    Call,
    ModelServer,
    Response,
    answer,
    closed_port,
    failure,
)

__all__ = ["FAULTS", "Call", "ModelServer", "Response", "answer", "closed_port", "failure"]
