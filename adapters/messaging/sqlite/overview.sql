-- What operators look at.

-- count_conversations
SELECT count(*), coalesce(sum(tail), 0) FROM conversation;

-- count_waiting
SELECT count(*) FILTER (WHERE owner = ''), count(*) FILTER (WHERE owner <> ''), min(ready_at)
FROM mailbox
WHERE ready_at IS NOT NULL;

-- count_parked
SELECT count(*) FROM mailbox WHERE parked <> '' AND head = 0;

-- count_dead
SELECT count(*) FROM dead_letter WHERE redriven_as = 0;

-- last_messages
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, at, length(body)
FROM message
WHERE NOT erased
ORDER BY at DESC, conversation DESC, seq DESC
LIMIT :limit;

-- messages_behind
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, at, length(body)
FROM message
WHERE NOT erased AND at >= :at AND (at, conversation, seq) > (:at, :conversation, :seq)
ORDER BY at, conversation, seq
LIMIT :limit;

-- mailboxes
SELECT conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked
FROM mailbox
WHERE conversation = ?
ORDER BY agent;
