-- What is read, each on a connection of its own. A list of names is given as a JSON array; NULL restricts nothing.

-- conversations_by_id
SELECT id, tail, domain, started_by, started_by_issuer, opened_at, hold FROM conversation
WHERE id IN (SELECT value FROM json_each(:ids))
ORDER BY id
LIMIT :limit;

-- conversations_after
SELECT id, tail, domain, started_by, started_by_issuer, opened_at, hold FROM conversation
WHERE id > :after
ORDER BY id
LIMIT :limit;

-- tails
SELECT id, tail FROM conversation WHERE id IN (SELECT value FROM json_each(:ids));

-- page_after
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text, digest, at, erased
FROM message
WHERE conversation = :conversation AND seq > :after
ORDER BY seq
LIMIT :limit;

-- page_before
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text, digest, at, erased
FROM message
WHERE conversation = :conversation AND seq > :after AND seq < :before
ORDER BY seq DESC
LIMIT :limit;

-- of_turn
-- The message that opened it, which belongs to another turn where it went to several agents, and what belongs to it. No
-- index leads there: to keep one would cost every append more than all looks from the opening on.
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text, digest, at, erased
FROM message
WHERE conversation = :conversation
  AND seq > (SELECT max(:after, opened - 1) FROM turn WHERE conversation = :conversation AND id = :turn)
  AND (turn = :turn OR seq = (SELECT opened FROM turn WHERE conversation = :conversation AND id = :turn))
ORDER BY seq
LIMIT :limit;

-- turns
-- Those that `which` comes to.
SELECT conversation, agent, id, opened, state, started_by, opened_at, changed_at, due, urgent, attempts, grant_number,
  expires, question, error, authority, owner, root
FROM turn
WHERE {which}
ORDER BY changed_at DESC, id DESC
LIMIT ?;

-- count_turns
SELECT count(*) FROM turn
WHERE {which};

-- draft
SELECT conversation, turn, fence, number, body, at FROM draft
WHERE conversation = ? AND turn = ?;

-- search
SELECT w.rank, m.conversation, m.seq, m.id, m.sender, m.issuer, m.kind, m.turn, m.recipients, m.answers, m.updates,
  m.body, m.text, m.digest, m.at, m.erased
FROM message_words AS w
JOIN message AS m ON m.row = w.rowid
WHERE message_words MATCH :words
  AND (:conversations IS NULL OR m.conversation IN (SELECT value FROM json_each(:conversations)))
ORDER BY w.rank, m.row
LIMIT :limit;

-- dead
SELECT conversation, agent, seq, turn, attempts, error, at, redriven_as
FROM dead_letter
WHERE (:after_at IS NULL
    OR (at, conversation, seq, agent) > (:after_at, :after_conversation, :after_seq, :after_agent))
  AND (:conversation IS NULL OR conversation = :conversation)
  AND (:agent IS NULL OR agent = :agent)
  AND (redriven_as > 0) = :redriven
ORDER BY at, conversation, seq, agent
LIMIT :limit;

-- devices
SELECT device, seq FROM seen WHERE conversation = ?;

-- overdue
SELECT conversation, agent, id FROM turn
WHERE expires <= ?
ORDER BY expires
LIMIT ?;
