-- The SQL of reads. Each is one statement, and so one consistent look.

-- conversations_by_id
SELECT id, tail, domain, started_by, started_by_issuer, opened_at, hold
FROM conversation
WHERE id = ANY ($1::text[])
ORDER BY id
LIMIT $2;

-- conversations_behind
SELECT id, tail, domain, started_by, started_by_issuer, opened_at, hold
FROM conversation
WHERE id > $1
ORDER BY id
LIMIT $2;

-- has_conversation
SELECT EXISTS (SELECT FROM conversation WHERE id = $1);

-- page_behind
-- At least one, and then as many as there is room for.
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text, digest, at, erased
FROM (
  SELECT *, sum(octet_length(body) + octet_length(text)) OVER (ORDER BY seq)
    - octet_length(body) - octet_length(text) AS ahead
  FROM (
    SELECT * FROM message WHERE conversation = $1 AND seq > $2 ORDER BY seq LIMIT $3
  ) AS m
) AS m
WHERE ahead < $4
ORDER BY seq;

-- page_before
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text, digest, at, erased
FROM (
  SELECT *, sum(octet_length(body) + octet_length(text)) OVER (ORDER BY seq DESC)
    - octet_length(body) - octet_length(text) AS ahead
  FROM (
    SELECT * FROM message WHERE conversation = $1 AND seq > $2 AND seq < $5 ORDER BY seq DESC LIMIT $3
  ) AS m
) AS m
WHERE ahead < $4
ORDER BY seq;

-- tails
SELECT id, tail FROM conversation WHERE id = ANY ($1::text[]);

-- of_turn
-- The message that opened it, which belongs to another turn where it went to several agents, and what belongs to it. No
-- index leads there: to keep one would cost every append more than all looks from the opening on.
SELECT conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text, digest, at, erased
FROM (
  SELECT *, sum(octet_length(body) + octet_length(text)) OVER (ORDER BY seq)
    - octet_length(body) - octet_length(text) AS ahead
  FROM (
    SELECT * FROM message
    WHERE conversation = $1
      AND seq > (SELECT greatest($2, opened - 1) FROM turn WHERE conversation = $1 AND id = $5)
      AND (turn = $5 OR seq = (SELECT opened FROM turn WHERE conversation = $1 AND id = $5))
    ORDER BY seq
    LIMIT $3
  ) AS m
) AS m
WHERE ahead < $4
ORDER BY seq;

-- turns
-- Those that `which` comes to.
SELECT conversation, agent, id, opened, state, started_by, opened_at, changed_at, due, urgent, attempts, grant_number,
  expires, question, error, authority, owner, root
FROM turn
WHERE {which}
ORDER BY changed_at DESC, id DESC
LIMIT {limit};

-- count_turns
SELECT count(*) FROM turn
WHERE {which};

-- draft
SELECT conversation, turn, fence, number, body, at FROM draft
WHERE conversation = $1 AND turn = $2;

-- search
SELECT m.conversation, m.seq, m.id, m.sender, m.issuer, m.kind, m.turn, m.recipients, m.answers, m.updates, m.body,
  m.text, m.digest, m.at, m.erased, f.rank
FROM (
  SELECT conversation, seq, ts_rank(words, $1::text::tsquery, 1) AS rank
  FROM message_words
  WHERE words @@ $1::text::tsquery AND ($2::text[] IS NULL OR conversation = ANY ($2))
) AS f
JOIN message AS m ON m.conversation = f.conversation AND m.seq = f.seq
ORDER BY f.rank DESC, m.at DESC, m.conversation, m.seq DESC
LIMIT $3;

-- dead
SELECT conversation, agent, seq, turn, attempts, error, at, redriven_as
FROM dead_letter
WHERE ($1::text IS NULL OR conversation = $1)
  AND ($2::text IS NULL OR agent = $2)
  AND (redriven_as > 0) = $3
  AND ($4::double precision IS NULL OR (at, conversation, seq, agent) > ($4, $5, $6, $7))
ORDER BY at, conversation, seq, agent
LIMIT $8;

-- devices
SELECT device, seq FROM seen WHERE conversation = $1;

-- overdue
SELECT conversation, agent, id
FROM turn
WHERE expires <= (SELECT extract(epoch FROM clock_timestamp())::double precision + $1)
ORDER BY expires
LIMIT $2;
