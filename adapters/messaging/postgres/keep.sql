-- Retention and the index that searches look in.

-- old_messages
-- Those of conversations on hold and of turns that have not ended stay; the next ones behind the last one looked at.
SELECT m.at, m.conversation, m.seq
FROM message AS m
JOIN conversation AS c ON c.id = m.conversation AND c.hold = ''
WHERE m.at < $1 AND NOT m.erased AND (m.at, m.conversation, m.seq) > ($2::double precision, $3::text, $4::bigint)
  AND NOT EXISTS (
    SELECT FROM turn AS t WHERE t.conversation = m.conversation AND t.id = m.turn AND t.state <> ALL ($5::text[])
  )
  AND NOT EXISTS (
    SELECT FROM turn AS t WHERE t.conversation = m.conversation AND t.due > 0 AND t.due = m.seq
  )
  AND (m.recipients NOT LIKE '% %' OR NOT EXISTS (
    SELECT FROM turn AS t WHERE t.conversation = m.conversation AND t.opened = m.seq AND t.state <> ALL ($5::text[])
  ))
ORDER BY m.at, m.conversation, m.seq
LIMIT $6;

-- blank_old
-- Turns do not begin again, so that only a hold may have come before we had the conversations locked.
UPDATE message AS m SET body = '', text = '', erased = true
FROM unnest($1::text[], $2::bigint[]) AS w (conversation, seq)
JOIN conversation AS c ON c.id = w.conversation AND c.hold = ''
WHERE m.conversation = w.conversation AND m.seq = w.seq AND NOT m.erased;

-- forget_old
DELETE FROM message_words AS f
USING unnest($1::text[], $2::bigint[]) AS w (conversation, seq), message AS m
WHERE f.conversation = w.conversation AND f.seq = w.seq
  AND m.conversation = w.conversation AND m.seq = w.seq AND m.erased;

-- blank_old_pushes
UPDATE push AS p SET body = ''
WHERE p.body <> '' AND p.at < $1
  AND NOT EXISTS (SELECT FROM conversation AS c WHERE c.id = p.conversation AND c.hold <> '');

-- time_of_day
SELECT extract(epoch FROM clock_timestamp())::double precision;

-- unindexed
-- At least one, and then as many as there is room for.
SELECT conversation, seq, text
FROM (
  SELECT conversation, seq, text,
    sum(octet_length(text)) OVER (ROWS UNBOUNDED PRECEDING) - octet_length(text) AS ahead
  FROM (
    SELECT m.conversation, m.seq, m.text
    FROM (SELECT id, indexed FROM conversation WHERE stale ORDER BY id LIMIT $1) AS c
    CROSS JOIN LATERAL (
      SELECT * FROM message AS m WHERE m.conversation = c.id AND m.seq > c.indexed ORDER BY m.seq LIMIT $1
    ) AS m
    LIMIT $1
  ) AS m
) AS m
WHERE ahead < $2;

-- add_words
-- What was erased since its text was read has no words any more.
INSERT INTO message_words (conversation, seq, words)
SELECT w.conversation, w.seq, w.words::tsvector
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS w (conversation, seq, words)
JOIN message AS m ON m.conversation = w.conversation AND m.seq = w.seq AND NOT m.erased
ON CONFLICT (conversation, seq) DO NOTHING;

-- indexed
UPDATE conversation AS c SET indexed = greatest(c.indexed, w.indexed), stale = c.tail > greatest(c.indexed, w.indexed)
FROM unnest($1::text[], $2::bigint[]) AS w (id, indexed)
WHERE c.id = w.id;

-- keep_drafts
-- Of turns that go on, and newer than what is there.
INSERT INTO draft AS d (conversation, turn, fence, number, body, at)
SELECT w.conversation, w.turn, w.fence, w.number, w.body, extract(epoch FROM clock_timestamp())::double precision
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[])
  AS w (conversation, turn, fence, number, body)
JOIN turn AS t ON t.conversation = w.conversation AND t.id = w.turn AND t.state <> ALL ($6::text[])
ON CONFLICT (conversation, turn) DO UPDATE SET fence = excluded.fence, number = excluded.number, body = excluded.body,
  at = excluded.at
WHERE (excluded.fence, excluded.number) > (d.fence, d.number);

-- drop_drafts
DELETE FROM draft AS d USING unnest($1::text[], $2::text[]) AS w (conversation, turn)
WHERE d.conversation = w.conversation AND d.turn = w.turn;

-- drop_ended_drafts
DELETE FROM draft
WHERE (conversation, turn) IN (
    SELECT d.conversation, d.turn FROM draft AS d JOIN turn AS t ON t.conversation = d.conversation AND t.id = d.turn
    WHERE t.state = ANY ($1::text[])
    LIMIT $2
  )
RETURNING 1;
