-- The SQL of a transaction that writes. Keys are arrays, one for each column: `unnest` makes rows of them.

-- lock_conversations
-- Whoever has a conversation's row writes it; so numbers are dense, and in the order of commits. Everybody locks in the
-- same order: conversations by id, then mailboxes, then the rest.
SELECT id, tail, domain, started_by, started_by_issuer, opened_at, hold
FROM conversation
WHERE id = ANY ($1::text[])
ORDER BY id COLLATE "C"
FOR UPDATE;

-- load
-- A claim has mailboxes locked, no conversations; so the turns are looked at once the mailboxes are ours: the condition
-- that counts them makes PostgreSQL lock them first, and FOR UPDATE finds what a claim has changed in the meantime.
WITH wanted_turn AS MATERIALIZED (
  SELECT * FROM unnest($6::text[], $7::text[]) AS w (conversation, id)
), boxes AS MATERIALIZED (
  SELECT b.conversation, b.agent, b.cursor, b.head, b.attempts, b.ready_at, b.fence, b.settled, b.owner, b.parked
  FROM unnest($4::text[], $5::text[]) AS w (conversation, agent)
  JOIN mailbox AS b ON b.conversation = w.conversation AND b.agent = w.agent
  ORDER BY b.conversation COLLATE "C", b.agent COLLATE "C"
  FOR UPDATE OF b
), turns AS MATERIALIZED (
  SELECT t.conversation, t.agent, t.id, t.opened, t.state, t.started_by, t.opened_at, t.changed_at, t.due, t.urgent,
    t.attempts, t.grant_number, t.expires, t.question, t.error, t.authority, t.owner, t.root
  FROM wanted_turn AS w
  JOIN turn AS t ON t.conversation = w.conversation AND t.id = w.id
  WHERE (SELECT count(*) FROM boxes) >= 0
  FOR UPDATE OF t
)
SELECT
  ARRAY (SELECT b FROM boxes AS b) AS mailboxes,
  ARRAY (SELECT t FROM turns AS t) AS turns,
  ARRAY (
    SELECT ROW (m.conversation, m.sender, m.id, m.seq, m.digest, m.turn, m.at)
    FROM unnest($1::text[], $2::text[], $3::text[]) AS w (conversation, sender, id)
    JOIN message AS m ON m.conversation = w.conversation AND m.sender = w.sender AND m.id = w.id
  ) AS known,
  ARRAY (
    SELECT ROW (w.conversation, w.agent, n.urgent, n.due)
    FROM unnest($8::text[], $9::text[]) AS w (conversation, agent)
    CROSS JOIN LATERAL (
      SELECT t.urgent, t.due FROM turn AS t
      WHERE t.conversation = w.conversation AND t.agent = w.agent AND t.due > 0
        AND (t.conversation, t.id) NOT IN (SELECT conversation, id FROM wanted_turn)
      ORDER BY t.urgent DESC, t.due
      LIMIT 1
    ) AS n
  ) AS waiting,
  extract(epoch FROM clock_timestamp())::double precision AS at;

-- load_letters
SELECT d.conversation, d.agent, d.seq, d.turn, d.attempts, d.error, d.at, d.redriven_as
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS w (conversation, agent, seq)
JOIN dead_letter AS d ON d.conversation = w.conversation AND d.agent = w.agent AND d.seq = w.seq
FOR UPDATE OF d;

-- load_messages
SELECT m.conversation, m.seq, m.id, m.sender, m.issuer, m.kind, m.turn, m.recipients, m.answers, m.updates, m.body,
  m.text, m.digest, m.at, m.erased
FROM unnest($1::text[], $2::bigint[]) AS w (conversation, seq)
JOIN message AS m ON m.conversation = w.conversation AND m.seq = w.seq;

-- load_seen
SELECT s.conversation, s.device, s.seq
FROM unnest($1::text[], $2::text[]) AS w (conversation, device)
JOIN seen AS s ON s.conversation = w.conversation AND s.device = w.device;

-- load_held_calls
-- They belong to no conversation, so that their own locks keep two transactions apart.
SELECT h.id, h.sealed, h.expires, h.ended
FROM held_call AS h
WHERE h.id = ANY ($1::text[])
ORDER BY h.id COLLATE "C"
FOR UPDATE;

-- write
-- What nearly every transaction writes, in one go. A conversation that somebody else has opened meanwhile violates its
-- key: then all of it is done again, and finds it. Whoever waits for that has opened nothing behind it and locked nothing
-- in it yet: so the conversations come first, by id, and the rest waits for their number. The rows come as JSON, which
-- costs the gateway a third of what arrays do; bodies come as they are.
WITH opened AS (
  INSERT INTO conversation (id, tail, domain, started_by, started_by_issuer, opened_at, hold)
  SELECT * FROM json_to_recordset($1::json) AS w (id text, tail bigint, domain text, started_by text,
    started_by_issuer text, opened_at double precision, hold text)
  RETURNING id
), continued AS (
  UPDATE conversation AS c SET tail = w.tail, hold = w.hold, stale = c.stale OR w.tail > c.tail
  FROM json_to_recordset($2::json) AS w (id text, tail bigint, hold text)
  WHERE c.id = w.id
), said AS (
  INSERT INTO message (conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, text, digest, at,
    body)
  SELECT * FROM ROWS FROM (
    json_to_recordset($3::json) AS (conversation text, seq bigint, id text, sender text, issuer text, kind text,
      turn text, recipients text, answers text, updates text, text text, digest bytea, at double precision),
    unnest($4::bytea[])
  )
), turns AS (
  INSERT INTO turn (conversation, agent, id, opened, state, started_by, opened_at, changed_at, due, urgent, attempts,
    grant_number, expires, question, error, authority, owner, root)
  SELECT * FROM json_to_recordset($5::json) AS w (conversation text, agent text, id text, opened bigint, state text,
    started_by text, opened_at double precision, changed_at double precision, due bigint, urgent boolean,
    attempts integer, grant_number bigint, expires double precision, question text, error text, authority bytea,
    owner text, root text)
  ON CONFLICT (conversation, id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at,
    due = excluded.due, urgent = excluded.urgent, attempts = excluded.attempts, grant_number = excluded.grant_number,
    expires = excluded.expires, question = excluded.question, error = excluded.error
)
INSERT INTO mailbox (conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked)
SELECT * FROM json_to_recordset($6::json) AS w (conversation text, agent text, cursor bigint, head bigint,
  attempts integer, ready_at double precision, fence bigint, settled bigint, owner text, parked text)
WHERE (SELECT count(*) FROM opened) >= 0
ON CONFLICT (conversation, agent) DO UPDATE SET cursor = excluded.cursor, head = excluded.head,
  attempts = excluded.attempts, ready_at = excluded.ready_at, fence = excluded.fence, settled = excluded.settled,
  owner = excluded.owner, parked = excluded.parked;

-- add_questions
INSERT INTO question (conversation, turn, id, agent, seq, state, asked_at, expires)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::double precision[],
  $8::double precision[]);

-- close_questions
UPDATE question AS q SET state = w.state
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (conversation, turn, id, state)
WHERE q.conversation = w.conversation AND q.turn = w.turn AND q.id = w.id;

-- put_letters
INSERT INTO dead_letter (conversation, agent, seq, turn, attempts, error, at, redriven_as)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::integer[], $6::text[],
  $7::double precision[], $8::bigint[])
ON CONFLICT (conversation, agent, seq) DO UPDATE SET redriven_as = excluded.redriven_as;

-- put_seen
INSERT INTO seen (conversation, device, seq)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
ON CONFLICT (conversation, device) DO UPDATE SET seq = greatest(seen.seq, excluded.seq);

-- put_held_calls
INSERT INTO held_call (id, sealed, expires, ended)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::double precision[], $4::text[])
ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires, ended = excluded.ended;

-- add_pushes
-- The id of a push is made from what it tells of: a second one is the same.
INSERT INTO push (id, conversation, channel, body, at)
SELECT *, $5::double precision FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT (id) DO NOTHING;

-- blank_messages
UPDATE message SET body = '', text = '', erased = true
WHERE conversation = $1 AND seq <= $2 AND $3 IN ('', sender) AND NOT erased;

-- forget_words
DELETE FROM message_words AS f USING message AS m
WHERE f.conversation = $1 AND f.seq <= $2 AND m.conversation = f.conversation AND m.seq = f.seq AND m.erased;

-- blank_pushes
UPDATE push SET body = '' WHERE conversation = $1 AND body <> '';

-- drop_drafts_of
-- All of a conversation, or those of the agent that speaks as this sender.
DELETE FROM draft AS d
WHERE d.conversation = $1 AND ($2 = '' OR EXISTS (
    SELECT FROM turn AS t WHERE t.conversation = d.conversation AND t.id = d.turn AND 'agent:' || t.agent = $2
  ));

-- claim
-- Of each agent, those whose mail waits longest first, so many heads that nobody holds; what a neighbour is about to
-- take is passed over. A mailbox is locked only if it is taken. `passed` says how many of an agent's are ours already.
WITH clock AS MATERIALIZED (
  SELECT extract(epoch FROM clock_timestamp())::double precision AS at
), asking AS MATERIALIZED (
  SELECT a.agent, a.passed, (
    SELECT b.ready_at FROM mailbox AS b
    WHERE b.agent = a.agent AND b.ready_at <= (SELECT at + $5 FROM clock)
    ORDER BY b.ready_at
    OFFSET a.passed
    LIMIT 1
  ) AS since
  FROM unnest($1::text[], $2::integer[]) AS a (agent, passed)
)
SELECT b.*, (SELECT at FROM clock) AS at
FROM (SELECT * FROM asking WHERE since IS NOT NULL ORDER BY since) AS a
CROSS JOIN LATERAL (
  SELECT b.conversation, b.agent, b.cursor, b.head, b.attempts, b.ready_at, b.fence, b.settled, b.owner, b.parked
  FROM mailbox AS b
  WHERE b.agent = a.agent AND b.ready_at <= (SELECT at + $5 FROM clock)
  ORDER BY b.ready_at
  OFFSET a.passed
  LIMIT $3
  FOR UPDATE SKIP LOCKED
) AS b
LIMIT $4;

-- load_heads
-- The turn and the message of each head; a statement of its own, which sees what others committed before we had it.
SELECT t.conversation, t.agent, t.id, t.opened, t.state, t.started_by, t.opened_at, t.changed_at, t.due, t.urgent,
  t.attempts, t.grant_number, t.expires, t.question, t.error, t.authority, t.owner, t.root,
  m.conversation, m.seq, m.id, m.sender, m.issuer, m.kind, m.turn, m.recipients, m.answers, m.updates, m.body, m.text,
  m.digest, m.at, m.erased
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS w (conversation, agent, head)
JOIN turn AS t ON t.conversation = w.conversation AND t.agent = w.agent AND t.urgent = ANY ('{t,f}')
  AND t.due = w.head AND t.due > 0
JOIN message AS m ON m.conversation = w.conversation AND m.seq = w.head;
