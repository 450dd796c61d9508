-- The SQL of a transaction that writes. A query with one row of VALUES is repeated for as many keys as there are.

-- find_conversations
WITH wanted (id) AS (VALUES (?))
SELECT c.id, c.tail, c.domain, c.started_by, c.started_by_issuer, c.opened_at, c.hold
FROM wanted CROSS JOIN conversation AS c ON c.id = wanted.id;

-- find_known
WITH wanted (conversation, sender, id) AS (VALUES (?, ?, ?))
SELECT m.conversation, m.sender, m.id, m.seq, m.digest, m.turn, m.at
FROM wanted CROSS JOIN message AS m
  ON m.conversation = wanted.conversation AND m.sender = wanted.sender AND m.id = wanted.id;

-- find_mailboxes
WITH wanted (conversation, agent) AS (VALUES (?, ?))
SELECT b.conversation, b.agent, b.cursor, b.head, b.attempts, b.ready_at, b.fence, b.settled, b.owner, b.parked
FROM wanted CROSS JOIN mailbox AS b ON b.conversation = wanted.conversation AND b.agent = wanted.agent;

-- find_turns
WITH wanted (conversation, id) AS (VALUES (?, ?))
SELECT t.conversation, t.agent, t.id, t.opened, t.state, t.started_by, t.opened_at, t.changed_at, t.due, t.urgent,
  t.attempts, t.grant_number, t.expires, t.question, t.error, t.authority, t.owner, t.root
FROM wanted CROSS JOIN turn AS t ON t.conversation = wanted.conversation AND t.id = wanted.id;

-- find_messages
WITH wanted (conversation, seq) AS (VALUES (?, ?))
SELECT m.conversation, m.seq, m.id, m.sender, m.issuer, m.kind, m.turn, m.recipients, m.answers, m.updates, m.body,
  m.text, m.digest, m.at, m.erased
FROM wanted CROSS JOIN message AS m ON m.conversation = wanted.conversation AND m.seq = wanted.seq;

-- find_letters
WITH wanted (conversation, agent, seq) AS (VALUES (?, ?, ?))
SELECT d.conversation, d.agent, d.seq, d.turn, d.attempts, d.error, d.at, d.redriven_as
FROM wanted CROSS JOIN dead_letter AS d
  ON d.conversation = wanted.conversation AND d.agent = wanted.agent AND d.seq = wanted.seq;

-- find_seen
WITH wanted (conversation, device) AS (VALUES (?, ?))
SELECT s.conversation, s.device, s.seq
FROM wanted CROSS JOIN seen AS s ON s.conversation = wanted.conversation AND s.device = wanted.device;

-- find_holds
WITH wanted (id) AS (VALUES (?))
SELECT h.id, h.sealed, h.expires, h.ended
FROM wanted CROSS JOIN held_call AS h ON h.id = wanted.id;

-- put_conversation
INSERT INTO conversation (id, tail, domain, started_by, started_by_issuer, opened_at, hold)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET tail = excluded.tail, hold = excluded.hold;

-- add_message
INSERT INTO message (conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text,
  digest, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- put_mailbox
INSERT INTO mailbox (conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (conversation, agent) DO UPDATE SET cursor = excluded.cursor, head = excluded.head,
  attempts = excluded.attempts, ready_at = excluded.ready_at, fence = excluded.fence, settled = excluded.settled,
  owner = excluded.owner, parked = excluded.parked;

-- put_turn
-- What a turn was opened as never changes.
INSERT INTO turn (conversation, agent, id, opened, state, started_by, opened_at, changed_at, due, urgent, attempts,
  grant_number, expires, question, error, authority, owner, root)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (conversation, id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at,
  due = excluded.due, urgent = excluded.urgent, attempts = excluded.attempts, grant_number = excluded.grant_number,
  expires = excluded.expires, question = excluded.question, error = excluded.error;

-- add_question
INSERT INTO question (conversation, turn, id, agent, seq, state, asked_at, expires)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- close_question
UPDATE question SET state = ? WHERE conversation = ? AND turn = ? AND id = ?;

-- put_letter
INSERT INTO dead_letter (conversation, agent, seq, turn, attempts, error, at, redriven_as)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (conversation, agent, seq) DO UPDATE SET redriven_as = excluded.redriven_as;

-- put_seen
-- Another process cannot have come in between, but a maximum is a maximum.
INSERT INTO seen (conversation, device, seq)
VALUES (?, ?, ?)
ON CONFLICT (conversation, device) DO UPDATE SET seq = max(seq, excluded.seq);

-- put_hold
INSERT INTO held_call (id, sealed, expires, ended)
VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires, ended = excluded.ended;

-- add_push
-- The id of a push is made from what it tells of: a second one is the same.
INSERT INTO push (id, conversation, channel, body, at)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- next_due
-- What a vacated mailbox delivers next.
SELECT due FROM turn
WHERE conversation = ? AND agent = ? AND due <> 0
ORDER BY urgent DESC, due
LIMIT 1;

-- parked_due
-- A parked mailbox delivers what belongs to its turn, and nothing else.
SELECT due FROM turn
WHERE conversation = ? AND id = ? AND due <> 0;

-- claimable
-- The heads of one agent that nobody holds, those that wait longest first.
SELECT ready_at, conversation FROM mailbox
WHERE agent = ? AND ready_at <= ?
ORDER BY ready_at
LIMIT ?;

-- find_heads
-- The mailbox, the turn and the message of a head.
WITH wanted (conversation, agent) AS (VALUES (?, ?))
SELECT b.conversation, b.agent, b.cursor, b.head, b.attempts, b.ready_at, b.fence, b.settled, b.owner, b.parked,
  t.conversation, t.agent, t.id, t.opened, t.state, t.started_by, t.opened_at, t.changed_at, t.due, t.urgent,
  t.attempts, t.grant_number, t.expires, t.question, t.error, t.authority, t.owner, t.root,
  m.conversation, m.seq, m.id, m.sender, m.issuer, m.kind, m.turn, m.recipients, m.answers, m.updates, m.body,
  m.text, m.digest, m.at, m.erased
FROM wanted
CROSS JOIN mailbox AS b ON b.conversation = wanted.conversation AND b.agent = wanted.agent
CROSS JOIN turn AS t ON t.conversation = b.conversation AND t.agent = b.agent AND t.urgent IN (0, 1)
  AND t.due = b.head AND t.due <> 0
CROSS JOIN message AS m ON m.conversation = b.conversation AND m.seq = b.head;
