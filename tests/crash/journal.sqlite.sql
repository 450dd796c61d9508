-- What became of every mailbox, change by change, kept by triggers of the test. `at` is the machine's time of day.

CREATE TABLE mailbox_journal (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  at            REAL NOT NULL,
  conversation  TEXT NOT NULL,
  agent         TEXT NOT NULL,
  cursor        INTEGER NOT NULL,
  head          INTEGER NOT NULL,
  ready_at      REAL,
  fence         INTEGER NOT NULL,
  settled       INTEGER NOT NULL,
  owner         TEXT NOT NULL,
  parked        TEXT NOT NULL
);

CREATE TRIGGER mailbox_made AFTER INSERT ON mailbox BEGIN
  INSERT INTO mailbox_journal (at, conversation, agent, cursor, head, ready_at, fence, settled, owner, parked)
  VALUES ((julianday('now') - 2440587.5) * 86400.0, NEW.conversation, NEW.agent, NEW.cursor, NEW.head, NEW.ready_at,
          NEW.fence, NEW.settled, NEW.owner, NEW.parked);
END;

CREATE TRIGGER mailbox_changed AFTER UPDATE ON mailbox BEGIN
  INSERT INTO mailbox_journal (at, conversation, agent, cursor, head, ready_at, fence, settled, owner, parked)
  VALUES ((julianday('now') - 2440587.5) * 86400.0, NEW.conversation, NEW.agent, NEW.cursor, NEW.head, NEW.ready_at,
          NEW.fence, NEW.settled, NEW.owner, NEW.parked);
END;

CREATE TRIGGER mailbox_gone BEFORE DELETE ON mailbox BEGIN
  INSERT INTO mailbox_journal (at, conversation, agent, cursor, head, ready_at, fence, settled, owner, parked)
  VALUES ((julianday('now') - 2440587.5) * 86400.0, OLD.conversation, OLD.agent, -1, 0, NULL, -1, -1, '', '');
END;
