"""The statements of a new SQLite journal. Generated from `tables`; a test says how."""

from __future__ import annotations

#: Before the rows.
BEFORE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT "
    "alembic_version_pkc PRIMARY KEY (version_num))",
    "CREATE TABLE runs ( number BIGINT NOT NULL, id TEXT NOT NULL, mode TEXT NOT NULL, strategy "
    "TEXT NOT NULL, command TEXT NOT NULL, started TEXT NOT NULL, starting_cash TEXT, account "
    "TEXT, params TEXT NOT NULL, config TEXT NOT NULL, versions TEXT NOT NULL, CONSTRAINT "
    "runs_key PRIMARY KEY (number) ) WITHOUT ROWID",
    "CREATE TABLE commissions ( run BIGINT NOT NULL, number BIGINT NOT NULL, execution TEXT NOT "
    "NULL, at TEXT NOT NULL, amount TEXT NOT NULL, currency TEXT NOT NULL, CONSTRAINT "
    "commissions_key PRIMARY KEY (run, number), CONSTRAINT commissions_run FOREIGN KEY(run) "
    "REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE daily_equity ( run BIGINT NOT NULL, number BIGINT NOT NULL, session DATE NOT "
    "NULL, at TEXT NOT NULL, value TEXT NOT NULL, cash TEXT NOT NULL, session_return DOUBLE, "
    "CONSTRAINT daily_equity_key PRIMARY KEY (run, number), CONSTRAINT daily_equity_run FOREIGN "
    "KEY(run) REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE events ( run BIGINT NOT NULL, number BIGINT NOT NULL, event_id TEXT NOT NULL, "
    "kind TEXT NOT NULL, title TEXT NOT NULL, symbols TEXT NOT NULL, body TEXT NOT NULL, url "
    "TEXT NOT NULL, data TEXT NOT NULL, published_at TEXT NOT NULL, event_time TEXT, known_at "
    "TEXT, source TEXT, revision_of TEXT, CONSTRAINT events_key PRIMARY KEY (run, number), "
    "CONSTRAINT events_run FOREIGN KEY(run) REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE halts ( halt_id TEXT NOT NULL, run BIGINT, at TEXT NOT NULL, state TEXT NOT "
    "NULL, who TEXT NOT NULL, why TEXT NOT NULL, rule TEXT, CONSTRAINT halts_key PRIMARY KEY "
    "(halt_id), CONSTRAINT halts_run FOREIGN KEY(run) REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE overrides ( run BIGINT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, "
    "who TEXT NOT NULL, reason TEXT NOT NULL, conditions TEXT NOT NULL, CONSTRAINT "
    "overrides_key PRIMARY KEY (run, number), CONSTRAINT overrides_run FOREIGN KEY(run) "
    "REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE positions ( run BIGINT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, "
    "session DATE, symbol TEXT NOT NULL, size TEXT NOT NULL, price TEXT, origin TEXT NOT NULL, "
    "CONSTRAINT positions_key PRIMARY KEY (run, number), CONSTRAINT positions_run FOREIGN "
    "KEY(run) REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE run_ends ( run BIGINT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, "
    "state TEXT NOT NULL, note TEXT NOT NULL, CONSTRAINT run_ends_key PRIMARY KEY (run, "
    "number), CONSTRAINT run_ends_run FOREIGN KEY(run) REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE sessions ( run BIGINT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, "
    "account TEXT NOT NULL, place TEXT NOT NULL, simulated BOOLEAN NOT NULL, library TEXT NOT "
    "NULL, server_version BIGINT NOT NULL, code_hash TEXT NOT NULL, risk_hash TEXT NOT NULL, "
    "send BOOLEAN NOT NULL, contracts TEXT NOT NULL, skew DOUBLE NOT NULL, CONSTRAINT "
    "sessions_key PRIMARY KEY (run, number), CONSTRAINT sessions_run FOREIGN KEY(run) "
    "REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE signals ( run BIGINT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, "
    "symbol TEXT NOT NULL, name TEXT NOT NULL, value DOUBLE NOT NULL, confidence DOUBLE NOT "
    "NULL, expires_at TEXT, CONSTRAINT signals_key PRIMARY KEY (run, number), CONSTRAINT "
    "signals_run FOREIGN KEY(run) REFERENCES runs (number) ) WITHOUT ROWID",
    "CREATE TABLE decisions ( run BIGINT NOT NULL, number BIGINT NOT NULL, at TEXT NOT NULL, "
    "symbol TEXT NOT NULL, side TEXT NOT NULL, asked TEXT NOT NULL, decided TEXT NOT NULL, "
    "action TEXT NOT NULL, signal BIGINT, event BIGINT, reasons TEXT NOT NULL, repeats BIGINT "
    "NOT NULL, CONSTRAINT decisions_key PRIMARY KEY (run, number), CONSTRAINT decisions_run "
    "FOREIGN KEY(run) REFERENCES runs (number), CONSTRAINT decisions_signal FOREIGN KEY(run, "
    "signal) REFERENCES signals (run, number), CONSTRAINT decisions_event FOREIGN KEY(run, "
    "event) REFERENCES events (run, number) ) WITHOUT ROWID",
    "CREATE TABLE heartbeats ( run BIGINT NOT NULL, number BIGINT NOT NULL, session BIGINT NOT "
    "NULL, at TEXT NOT NULL, market_time TEXT, line BOOLEAN NOT NULL, CONSTRAINT heartbeats_key "
    "PRIMARY KEY (run, session, number), CONSTRAINT heartbeats_run FOREIGN KEY(run) REFERENCES "
    "runs (number), CONSTRAINT heartbeats_session FOREIGN KEY(run, session) REFERENCES sessions "
    "(run, number) ) WITHOUT ROWID",
    "CREATE TABLE reconciliations ( run BIGINT NOT NULL, number BIGINT NOT NULL, session "
    "BIGINT, at TEXT NOT NULL, differences TEXT NOT NULL, accepted BOOLEAN NOT NULL, who TEXT "
    "NOT NULL, why TEXT NOT NULL, CONSTRAINT reconciliations_key PRIMARY KEY (run, number), "
    "CONSTRAINT reconciliations_run FOREIGN KEY(run) REFERENCES runs (number), CONSTRAINT "
    "reconciliations_session FOREIGN KEY(run, session) REFERENCES sessions (run, number) ) "
    "WITHOUT ROWID",
    "CREATE TABLE session_ends ( run BIGINT NOT NULL, number BIGINT NOT NULL, session BIGINT "
    "NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL, CONSTRAINT "
    "session_ends_key PRIMARY KEY (run, number), CONSTRAINT session_ends_run FOREIGN KEY(run) "
    "REFERENCES runs (number), CONSTRAINT session_ends_session FOREIGN KEY(run, session) "
    "REFERENCES sessions (run, number) ) WITHOUT ROWID",
    "CREATE TABLE views ( run BIGINT NOT NULL, number BIGINT NOT NULL, event BIGINT, at TEXT, "
    "analyst TEXT NOT NULL, symbol TEXT NOT NULL, score DOUBLE NOT NULL, confidence DOUBLE NOT "
    "NULL, horizon DOUBLE NOT NULL, because TEXT NOT NULL, in_sample BOOLEAN, model TEXT, "
    "prompt_hash TEXT, CONSTRAINT views_key PRIMARY KEY (run, number), CONSTRAINT views_run "
    "FOREIGN KEY(run) REFERENCES runs (number), CONSTRAINT views_event FOREIGN KEY(run, event) "
    "REFERENCES events (run, number) ) WITHOUT ROWID",
    "CREATE TABLE guard_answers ( run BIGINT NOT NULL, number BIGINT NOT NULL, decision BIGINT "
    "NOT NULL, rule TEXT NOT NULL, action TEXT NOT NULL, size TEXT, limit_value DOUBLE, seen "
    "DOUBLE, reason TEXT NOT NULL, numbers TEXT NOT NULL, CONSTRAINT guard_answers_key PRIMARY "
    "KEY (run, decision, number), CONSTRAINT guard_answers_run FOREIGN KEY(run) REFERENCES runs "
    "(number), CONSTRAINT guard_answers_decision FOREIGN KEY(run, decision) REFERENCES "
    "decisions (run, number) ) WITHOUT ROWID",
    "CREATE TABLE orders ( run BIGINT NOT NULL, number BIGINT NOT NULL, ref TEXT NOT NULL, "
    "decision BIGINT, at TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, type TEXT NOT "
    "NULL, size TEXT NOT NULL, limit_price TEXT, stop_price TEXT, parent BIGINT, oco BIGINT, "
    "because TEXT NOT NULL, CONSTRAINT orders_key PRIMARY KEY (run, number), CONSTRAINT "
    "orders_run FOREIGN KEY(run) REFERENCES runs (number), CONSTRAINT orders_decision FOREIGN "
    "KEY(run, decision) REFERENCES decisions (run, number) ) WITHOUT ROWID",
    "CREATE TABLE signal_evidence ( run BIGINT NOT NULL, number BIGINT NOT NULL, signal BIGINT "
    'NOT NULL, event BIGINT, "view" BIGINT, CONSTRAINT signal_evidence_key PRIMARY KEY (run, '
    "signal, number), CONSTRAINT signal_evidence_run FOREIGN KEY(run) REFERENCES runs (number), "
    "CONSTRAINT signal_evidence_signal FOREIGN KEY(run, signal) REFERENCES signals (run, "
    "number), CONSTRAINT signal_evidence_event FOREIGN KEY(run, event) REFERENCES events (run, "
    'number), CONSTRAINT signal_evidence_view FOREIGN KEY(run, "view") REFERENCES views (run, '
    "number) ) WITHOUT ROWID",
    "CREATE TABLE fills ( run BIGINT NOT NULL, number BIGINT NOT NULL, order_number BIGINT NOT "
    "NULL, execution TEXT, at TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, size "
    "TEXT NOT NULL, price TEXT NOT NULL, commission TEXT NOT NULL, position TEXT NOT NULL, "
    "corrects BIGINT, CONSTRAINT fills_key PRIMARY KEY (run, number), CONSTRAINT fills_run "
    "FOREIGN KEY(run) REFERENCES runs (number), CONSTRAINT fills_order_number FOREIGN KEY(run, "
    "order_number) REFERENCES orders (run, number), CONSTRAINT fills_corrects FOREIGN KEY(run, "
    "corrects) REFERENCES fills (run, number) ) WITHOUT ROWID",
    "CREATE TABLE modifications ( run BIGINT NOT NULL, number BIGINT NOT NULL, order_number "
    "BIGINT NOT NULL, decision BIGINT, answers BIGINT, at TEXT NOT NULL, state TEXT NOT NULL, "
    "size TEXT, limit_price TEXT, stop_price TEXT, reason TEXT NOT NULL, CONSTRAINT "
    "modifications_key PRIMARY KEY (run, number), CONSTRAINT modifications_run FOREIGN KEY(run) "
    "REFERENCES runs (number), CONSTRAINT modifications_order_number FOREIGN KEY(run, "
    "order_number) REFERENCES orders (run, number), CONSTRAINT modifications_decision FOREIGN "
    "KEY(run, decision) REFERENCES decisions (run, number), CONSTRAINT modifications_answers "
    "FOREIGN KEY(run, answers) REFERENCES modifications (run, number) ) WITHOUT ROWID",
    "CREATE TABLE order_states ( run BIGINT NOT NULL, number BIGINT NOT NULL, order_number "
    "BIGINT NOT NULL, at TEXT, status TEXT NOT NULL, filled TEXT NOT NULL, reason TEXT NOT "
    "NULL, CONSTRAINT order_states_key PRIMARY KEY (run, order_number, number), CONSTRAINT "
    "order_states_run FOREIGN KEY(run) REFERENCES runs (number), CONSTRAINT "
    "order_states_order_number FOREIGN KEY(run, order_number) REFERENCES orders (run, number) ) "
    "WITHOUT ROWID",
    "CREATE TABLE trades ( run BIGINT NOT NULL, number BIGINT NOT NULL, symbol TEXT NOT NULL, "
    "side TEXT NOT NULL, size TEXT NOT NULL, entry_time TEXT NOT NULL, entry_price TEXT NOT "
    "NULL, exit_time TEXT, exit_price TEXT, pnl TEXT, commission TEXT NOT NULL, pnl_net TEXT, "
    "bars BIGINT, because TEXT NOT NULL, first_fill BIGINT NOT NULL, last_fill BIGINT NOT NULL, "
    "CONSTRAINT trades_key PRIMARY KEY (run, number), CONSTRAINT trades_run FOREIGN KEY(run) "
    "REFERENCES runs (number), CONSTRAINT trades_first_fill FOREIGN KEY(run, first_fill) "
    "REFERENCES fills (run, number), CONSTRAINT trades_last_fill FOREIGN KEY(run, last_fill) "
    "REFERENCES fills (run, number) ) WITHOUT ROWID",
)

#: After the rows: indexes, and triggers that refuse changes.
AFTER = (
    "CREATE UNIQUE INDEX runs_unique_id ON runs (id)",
    "CREATE INDEX commissions_by_execution_run ON commissions (execution, run)",
    "CREATE UNIQUE INDEX events_unique_run_event_id ON events (run, event_id)",
    "CREATE INDEX views_by_event_run ON views (event, run)",
    "CREATE INDEX orders_by_oco ON orders (oco, run) WHERE oco IS NOT NULL",
    "CREATE INDEX orders_by_parent ON orders (parent, run) WHERE parent IS NOT NULL",
    "CREATE UNIQUE INDEX orders_unique_ref ON orders (ref)",
    "CREATE INDEX fills_by_corrects ON fills (corrects, run) WHERE corrects IS NOT NULL",
    "CREATE INDEX fills_by_order_number_run ON fills (order_number, run)",
    "CREATE INDEX fills_by_symbol_number_run ON fills (symbol, number, run)",
    "CREATE UNIQUE INDEX fills_unique_run_execution ON fills (run, execution) WHERE execution IS NOT NULL",
    "CREATE INDEX modifications_by_order_number_run ON modifications (order_number, run)",
    "CREATE INDEX trades_by_run_symbol_first_fill ON trades (run, symbol, first_fill)",
    "CREATE TRIGGER runs_append_only BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER run_ends_append_only BEFORE UPDATE ON run_ends BEGIN SELECT RAISE(ABORT, "
    "'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER events_append_only BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER views_append_only BEFORE UPDATE ON views BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER signals_append_only BEFORE UPDATE ON signals BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER signal_evidence_append_only BEFORE UPDATE ON signal_evidence BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER decisions_append_only BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, "
    "'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER guard_answers_append_only BEFORE UPDATE ON guard_answers BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER orders_append_only BEFORE UPDATE ON orders BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER order_states_append_only BEFORE UPDATE ON order_states BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER modifications_append_only BEFORE UPDATE ON modifications BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER fills_append_only BEFORE UPDATE ON fills BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER trades_append_only BEFORE UPDATE ON trades BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER positions_append_only BEFORE UPDATE ON positions BEGIN SELECT RAISE(ABORT, "
    "'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER daily_equity_append_only BEFORE UPDATE ON daily_equity BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER halts_append_only BEFORE UPDATE ON halts BEGIN SELECT RAISE(ABORT, 'the "
    "journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER sessions_append_only BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, "
    "'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER session_ends_append_only BEFORE UPDATE ON session_ends BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER heartbeats_append_only BEFORE UPDATE ON heartbeats BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER commissions_append_only BEFORE UPDATE ON commissions BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER reconciliations_append_only BEFORE UPDATE ON reconciliations BEGIN SELECT "
    "RAISE(ABORT, 'the journal is append-only: a correction is a new row'); END",
    "CREATE TRIGGER overrides_append_only BEFORE UPDATE ON overrides BEGIN SELECT RAISE(ABORT, "
    "'the journal is append-only: a correction is a new row'); END",
)
