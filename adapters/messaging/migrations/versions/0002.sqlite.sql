-- Whose a turn is (empty: nobody was named), and the outermost of the turns that it is a part of (empty: of none).

ALTER TABLE turn ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE turn ADD COLUMN root TEXT NOT NULL DEFAULT '';
CREATE INDEX turn_by_owner ON turn (owner, agent, changed_at, id) WHERE owner <> '';
CREATE INDEX turn_by_root ON turn (root) WHERE root <> '';

-- What an agent has said so far in the attempt with this fence: the newest state of it, by its number. Lossy, and gone
-- once the turn has ended. In rows of its own, at the end of the table, for the same reasons as a message.
CREATE TABLE draft (
  conversation  TEXT NOT NULL,
  turn          TEXT NOT NULL,
  fence         INTEGER NOT NULL,
  number        INTEGER NOT NULL,
  body          BLOB NOT NULL,
  at            REAL NOT NULL,
  PRIMARY KEY (conversation, turn)
);
