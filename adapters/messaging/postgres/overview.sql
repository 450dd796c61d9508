-- What operators look at.

-- tally
SELECT
  (SELECT count(*) FROM conversation),
  (SELECT coalesce(sum(tail), 0)::bigint FROM conversation),
  (SELECT count(*) FROM mailbox WHERE ready_at IS NOT NULL AND owner = ''),
  (SELECT count(*) FROM mailbox WHERE ready_at IS NOT NULL AND owner <> ''),
  (SELECT count(*) FROM mailbox WHERE parked <> '' AND head = 0),
  (SELECT count(*) FROM dead_letter WHERE redriven_as = 0),
  (SELECT extract(epoch FROM clock_timestamp())::double precision + $1 - min(ready_at)
    FROM mailbox WHERE ready_at IS NOT NULL);

-- last_messages
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, at, octet_length(body)
FROM message
WHERE NOT erased
ORDER BY at DESC, conversation DESC, seq DESC
LIMIT $1;

-- messages_behind
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, at, octet_length(body)
FROM message
WHERE NOT erased AND at >= $1 AND (at, conversation, seq) > ($1, $2, $3)
ORDER BY at, conversation, seq
LIMIT $4;

-- mailboxes
SELECT conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked
FROM mailbox
WHERE conversation = $1
ORDER BY agent;
