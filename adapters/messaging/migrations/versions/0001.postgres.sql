-- The first tables of the conversation log. Times are seconds since the epoch, by the database's clock. Every unique key
-- of what grows begins with the conversation, so that any of these tables can be partitioned by its hash.

CREATE TABLE conversation (
  id                 text PRIMARY KEY,
  tail               bigint NOT NULL,
  domain             text NOT NULL,
  started_by         text NOT NULL,
  started_by_issuer  text NOT NULL,
  opened_at          double precision NOT NULL,
  hold               text NOT NULL DEFAULT '',
  indexed            bigint NOT NULL DEFAULT 0,
  stale              boolean NOT NULL DEFAULT true
) WITH (fillfactor = 70);
-- Every append sets `stale`, and bringing `indexed` up to the tail ends it.
CREATE INDEX conversation_stale ON conversation (id) WHERE stale;

CREATE TABLE message (
  conversation  text NOT NULL,
  seq           bigint NOT NULL,
  id            text NOT NULL,
  sender        text NOT NULL,
  issuer        text NOT NULL,
  kind          text NOT NULL,
  turn          text NOT NULL,
  recipients    text NOT NULL,
  answers       text NOT NULL,
  updates       text NOT NULL,
  body          bytea NOT NULL,
  text          text NOT NULL,
  digest        bytea NOT NULL,
  at            double precision NOT NULL,
  erased        boolean NOT NULL DEFAULT false,
  PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX message_once ON message (conversation, sender, id);
-- For retention, and for operators who look at what was said last.
CREATE INDEX message_at ON message (at, conversation, seq) WHERE NOT erased;

CREATE TABLE mailbox (
  conversation  text NOT NULL,
  agent         text NOT NULL,
  cursor        bigint NOT NULL,
  head          bigint NOT NULL,
  attempts      integer NOT NULL,
  ready_at      double precision,
  fence         bigint NOT NULL,
  settled       bigint NOT NULL,
  owner         text NOT NULL,
  parked        text NOT NULL,
  PRIMARY KEY (conversation, agent)
) WITH (fillfactor = 70);
CREATE INDEX mailbox_ready ON mailbox (agent, ready_at) WHERE ready_at IS NOT NULL;

CREATE TABLE turn (
  conversation  text NOT NULL,
  id            text NOT NULL,
  agent         text NOT NULL,
  opened        bigint NOT NULL,
  state         text NOT NULL,
  started_by    text NOT NULL,
  opened_at     double precision NOT NULL,
  changed_at    double precision NOT NULL,
  due           bigint NOT NULL,
  urgent        boolean NOT NULL,
  attempts      integer NOT NULL,
  grant_number  bigint NOT NULL,
  expires       double precision,
  question      text NOT NULL,
  error         text NOT NULL,
  authority     bytea NOT NULL,
  PRIMARY KEY (conversation, id)
);
CREATE INDEX turn_due ON turn (conversation, agent, urgent DESC, due) WHERE due > 0;
CREATE INDEX turn_expires ON turn (expires) WHERE expires IS NOT NULL;
CREATE INDEX turn_by_id ON turn (id);

CREATE TABLE question (
  conversation  text NOT NULL,
  turn          text NOT NULL,
  id            text NOT NULL,
  agent         text NOT NULL,
  seq           bigint NOT NULL,
  state         text NOT NULL,
  asked_at      double precision NOT NULL,
  expires       double precision,
  PRIMARY KEY (conversation, turn, id)
);

CREATE TABLE dead_letter (
  conversation  text NOT NULL,
  agent         text NOT NULL,
  seq           bigint NOT NULL,
  turn          text NOT NULL,
  attempts      integer NOT NULL,
  error         text NOT NULL,
  at            double precision NOT NULL,
  redriven_as   bigint NOT NULL,
  PRIMARY KEY (conversation, agent, seq)
);
CREATE INDEX dead_letter_at ON dead_letter (at, conversation, seq);

CREATE TABLE seen (
  conversation  text NOT NULL,
  device        text NOT NULL,
  seq           bigint NOT NULL,
  PRIMARY KEY (conversation, device)
);

CREATE TABLE held_call (
  id       text PRIMARY KEY,
  sealed   bytea NOT NULL,
  expires  double precision NOT NULL,
  ended    text NOT NULL
);

CREATE TABLE push (
  id            text PRIMARY KEY,
  conversation  text NOT NULL,
  channel       text NOT NULL,
  body          bytea NOT NULL,
  at            double precision NOT NULL
);
CREATE INDEX push_by_conversation ON push (conversation);

-- What a search looks in. It follows the log: `conversation.indexed` says how far.
CREATE TABLE message_words (
  conversation  text NOT NULL,
  seq           bigint NOT NULL,
  words         tsvector NOT NULL,
  PRIMARY KEY (conversation, seq)
);
CREATE INDEX message_words_found ON message_words USING gin (words);
