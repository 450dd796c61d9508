-- What became of every mailbox, change by change, kept by triggers of the test. The row is locked while it is written,
-- so that of one mailbox the numbers are in the order of the commits. `at` is the database's clock.

CREATE TABLE mailbox_journal (
  id            bigserial PRIMARY KEY,
  at            double precision NOT NULL,
  conversation  text NOT NULL,
  agent         text NOT NULL,
  cursor        bigint NOT NULL,
  head          bigint NOT NULL,
  ready_at      double precision,
  fence         bigint NOT NULL,
  settled       bigint NOT NULL,
  owner         text NOT NULL,
  parked        text NOT NULL
);

CREATE FUNCTION note_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO mailbox_journal (at, conversation, agent, cursor, head, ready_at, fence, settled, owner, parked)
    VALUES (extract(epoch FROM clock_timestamp()), OLD.conversation, OLD.agent, -1, 0, NULL, -1, -1, '', '');
  ELSE
    INSERT INTO mailbox_journal (at, conversation, agent, cursor, head, ready_at, fence, settled, owner, parked)
    VALUES (extract(epoch FROM clock_timestamp()), NEW.conversation, NEW.agent, NEW.cursor, NEW.head, NEW.ready_at,
            NEW.fence, NEW.settled, NEW.owner, NEW.parked);
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER mailbox_noted AFTER INSERT OR UPDATE OR DELETE ON mailbox
FOR EACH ROW EXECUTE FUNCTION note_mailbox();
