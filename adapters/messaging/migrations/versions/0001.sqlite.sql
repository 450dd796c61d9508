-- The first tables of the conversation log. Times are seconds since the epoch; `ready_at` and `expires` go by the log's
-- own clock (see `clock`), `at` and `…_at` otherwise by the time of day.

CREATE TABLE conversation (
  id                 TEXT PRIMARY KEY,
  tail               INTEGER NOT NULL,
  domain             TEXT NOT NULL,
  started_by         TEXT NOT NULL,
  started_by_issuer  TEXT NOT NULL,
  opened_at          REAL NOT NULL,
  hold               TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- What is large or must be erasable (messages, turns, pushes, held calls) is in rows of its own, at the end of the table:
-- sorted in among others it would touch, split and sync twice as many pages; and SQLite does not overwrite the copies
-- that a split leaves behind, where an erased body would survive.
CREATE TABLE message (
  row           INTEGER PRIMARY KEY,
  conversation  TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  id            TEXT NOT NULL,
  sender        TEXT NOT NULL,
  issuer        TEXT NOT NULL,
  kind          TEXT NOT NULL,
  turn          TEXT NOT NULL,
  recipients    TEXT NOT NULL,
  answers       TEXT NOT NULL,
  updates       TEXT NOT NULL,
  body          BLOB NOT NULL,
  text          TEXT NOT NULL,
  digest        BLOB NOT NULL,
  at            REAL NOT NULL,
  erased        INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX message_seq ON message (conversation, seq);
CREATE UNIQUE INDEX message_once ON message (conversation, sender, id);
-- For retention, and for operators who look at what was said last.
CREATE INDEX message_at ON message (at, conversation, seq) WHERE NOT erased;

CREATE TABLE mailbox (
  conversation  TEXT NOT NULL,
  agent         TEXT NOT NULL,
  cursor        INTEGER NOT NULL,
  head          INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  ready_at      REAL,
  fence         INTEGER NOT NULL,
  settled       INTEGER NOT NULL,
  owner         TEXT NOT NULL,
  parked        TEXT NOT NULL,
  PRIMARY KEY (conversation, agent)
) WITHOUT ROWID;
CREATE INDEX mailbox_ready ON mailbox (agent, ready_at) WHERE ready_at IS NOT NULL;

CREATE TABLE turn (
  conversation  TEXT NOT NULL,
  id            TEXT NOT NULL,
  agent         TEXT NOT NULL,
  opened        INTEGER NOT NULL,
  state         TEXT NOT NULL,
  started_by    TEXT NOT NULL,
  opened_at     REAL NOT NULL,
  changed_at    REAL NOT NULL,
  due           INTEGER NOT NULL,
  urgent        INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  grant_number  INTEGER NOT NULL,
  expires       REAL,
  question      TEXT NOT NULL,
  error         TEXT NOT NULL,
  authority     BLOB NOT NULL,
  PRIMARY KEY (conversation, id)
);
-- Not "due > 0": SQLite would walk that range where it is asked for one number.
CREATE INDEX turn_due ON turn (conversation, agent, urgent DESC, due) WHERE due <> 0;
CREATE INDEX turn_expires ON turn (expires) WHERE expires IS NOT NULL;
CREATE INDEX turn_by_id ON turn (id);

CREATE TABLE question (
  conversation  TEXT NOT NULL,
  turn          TEXT NOT NULL,
  id            TEXT NOT NULL,
  agent         TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  state         TEXT NOT NULL,
  asked_at      REAL NOT NULL,
  expires       REAL,
  PRIMARY KEY (conversation, turn, id)
) WITHOUT ROWID;

CREATE TABLE dead_letter (
  conversation  TEXT NOT NULL,
  agent         TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  turn          TEXT NOT NULL,
  attempts      INTEGER NOT NULL,
  error         TEXT NOT NULL,
  at            REAL NOT NULL,
  redriven_as   INTEGER NOT NULL,
  PRIMARY KEY (conversation, agent, seq)
) WITHOUT ROWID;
CREATE INDEX dead_letter_at ON dead_letter (at, conversation, seq);

CREATE TABLE seen (
  conversation  TEXT NOT NULL,
  device        TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  PRIMARY KEY (conversation, device)
) WITHOUT ROWID;

CREATE TABLE held_call (
  id       TEXT NOT NULL PRIMARY KEY,
  sealed   BLOB NOT NULL,
  expires  REAL NOT NULL,
  ended    TEXT NOT NULL
);

CREATE TABLE push (
  id            TEXT NOT NULL PRIMARY KEY,
  conversation  TEXT NOT NULL,
  channel       TEXT NOT NULL,
  body          BLOB NOT NULL,
  at            REAL NOT NULL
);
CREATE INDEX push_by_conversation ON push (conversation);

-- What a search looks in: the texts of messages, by `message.row`. It has no copy of them; whoever blanks a text takes
-- its words out here as well.
CREATE VIRTUAL TABLE message_words USING fts5 (text, content = '', tokenize = 'unicode61 remove_diacritics 2');

-- One row: up to which `message.row` texts are in there; how often words were taken out; and up to which time they are
-- gone from its older pages too.
CREATE TABLE search (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  indexed  INTEGER NOT NULL,
  erased   INTEGER NOT NULL,
  merged   INTEGER NOT NULL
);
INSERT INTO search (id, indexed, erased, merged) VALUES (1, 0, 0, 0);

-- One row: by how much the log's clock is ahead of the machine's monotonic one, in the boot it was started in.
CREATE TABLE clock (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  boot    TEXT NOT NULL,
  ahead   REAL NOT NULL,
  latest  REAL NOT NULL
);

-- One row: which log this is, and how many transactions were committed to it. What has less is an older copy.
CREATE TABLE identity (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  log      TEXT NOT NULL,
  commits  INTEGER NOT NULL
);
INSERT INTO identity VALUES (1, lower(hex(randomblob(16))), 0);
