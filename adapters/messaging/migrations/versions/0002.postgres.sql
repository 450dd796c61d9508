-- Whose a turn is (empty: nobody was named), and the outermost of the turns that it is a part of (empty: of none).

ALTER TABLE turn ADD COLUMN owner text NOT NULL DEFAULT '', ADD COLUMN root text NOT NULL DEFAULT '';
CREATE INDEX turn_by_owner ON turn (owner, agent, changed_at, id) WHERE owner <> '';
CREATE INDEX turn_by_root ON turn (root) WHERE root <> '';

-- What an agent has said so far in the attempt with this fence: the newest state of it, by its number. Lossy, and gone
-- once the turn has ended.
CREATE TABLE draft (
  conversation  text NOT NULL,
  turn          text NOT NULL,
  fence         bigint NOT NULL,
  number        bigint NOT NULL,
  body          bytea NOT NULL,
  at            double precision NOT NULL,
  PRIMARY KEY (conversation, turn)
) WITH (fillfactor = 70);
