-- A channel: a webhook that is told what a turn says, with a cursor of its own. Times are those of the day, by the clock
-- of the gateway that wrote them. `sealed` holds the webhook's URL and credentials, `place` the host and port of that
-- URL. Until `ready_at` nobody may claim it: because of a backoff, or because `holder` has it under `fence`.
CREATE TABLE push_channel (
  turn           text NOT NULL,
  id             text NOT NULL,
  conversation   text NOT NULL,
  agent          text NOT NULL,
  owner          text NOT NULL,
  context        text NOT NULL,
  place          text NOT NULL,
  sealed         bytea NOT NULL,
  cursor         bigint NOT NULL,
  attempts       integer NOT NULL,
  ready_at       double precision NOT NULL,
  looked_at      double precision NOT NULL,
  failing_since  double precision,
  error          text NOT NULL,
  holder         text NOT NULL,
  fence          bigint NOT NULL,
  created_at     double precision NOT NULL,
  PRIMARY KEY (turn, id)
) WITH (fillfactor = 70);
CREATE INDEX push_channel_by_conversation ON push_channel (conversation);
