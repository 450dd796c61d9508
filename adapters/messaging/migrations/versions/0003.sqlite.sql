-- A channel: a webhook that is told what a turn says, with a cursor of its own. Times are those of the day, by the clock
-- of the gateway that wrote them. `sealed` holds the webhook's URL and credentials, `place` the host and port of that
-- URL. Until `ready_at` nobody may claim it: because of a backoff, or because `holder` has it under `fence`.
CREATE TABLE push_channel (
  row            INTEGER PRIMARY KEY,
  turn           TEXT NOT NULL,
  id             TEXT NOT NULL,
  conversation   TEXT NOT NULL,
  agent          TEXT NOT NULL,
  owner          TEXT NOT NULL,
  context        TEXT NOT NULL,
  place          TEXT NOT NULL,
  sealed         BLOB NOT NULL,
  cursor         INTEGER NOT NULL,
  attempts       INTEGER NOT NULL,
  ready_at       REAL NOT NULL,
  looked_at      REAL NOT NULL,
  failing_since  REAL,
  error          TEXT NOT NULL,
  holder         TEXT NOT NULL,
  fence          INTEGER NOT NULL,
  created_at     REAL NOT NULL
);
CREATE UNIQUE INDEX push_channel_once ON push_channel (turn, id);
CREATE INDEX push_channel_by_conversation ON push_channel (conversation);
