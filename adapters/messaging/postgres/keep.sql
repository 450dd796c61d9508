-- Retention and the index that searches look in.

-- old_messages
-- Those of conversations on hold and of turns that have not ended stay.
SELECT m.conversation, m.seq
FROM message AS m
JOIN conversation AS c ON c.id = m.conversation AND c.hold = ''
WHERE m.at < extract(epoch FROM clock_timestamp())::double precision - $1 AND NOT m.erased
  AND NOT EXISTS (
    SELECT FROM turn AS t
    WHERE t.conversation = m.conversation AND (t.id = m.turn OR t.opened = m.seq OR t.due = m.seq)
      AND t.state <> ALL ($3::text[])
  )
ORDER BY m.at
LIMIT $2;

-- blank_old
-- Looked at once more, now that the conversations are locked.
UPDATE message AS m SET body = '', text = '', erased = true
FROM unnest($1::text[], $2::bigint[]) AS w (conversation, seq)
JOIN conversation AS c ON c.id = w.conversation AND c.hold = ''
WHERE m.conversation = w.conversation AND m.seq = w.seq AND NOT m.erased
  AND NOT EXISTS (
    SELECT FROM turn AS t
    WHERE t.conversation = m.conversation AND (t.id = m.turn OR t.opened = m.seq OR t.due = m.seq)
      AND t.state <> ALL ($3::text[])
  );

-- forget_old
DELETE FROM message_words AS f
USING unnest($1::text[], $2::bigint[]) AS w (conversation, seq), message AS m
WHERE f.conversation = w.conversation AND f.seq = w.seq
  AND m.conversation = w.conversation AND m.seq = w.seq AND m.erased;

-- blank_old_pushes
UPDATE push AS p SET body = ''
WHERE p.body <> '' AND p.at < extract(epoch FROM clock_timestamp())::double precision - $1
  AND NOT EXISTS (SELECT FROM conversation AS c WHERE c.id = p.conversation AND c.hold <> '');

-- stale_conversations
SELECT id FROM conversation WHERE stale ORDER BY id LIMIT $1;

-- lock_stale
-- Erasure must not come between the look at a text and its words: whoever has the row has the conversation.
SELECT id, tail, indexed FROM conversation
WHERE id = ANY ($1::text[]) AND stale
ORDER BY id COLLATE "C"
FOR UPDATE;

-- unindexed
SELECT m.conversation, m.seq, m.text
FROM unnest($1::text[], $2::bigint[]) AS w (conversation, indexed)
JOIN message AS m ON m.conversation = w.conversation AND m.seq > w.indexed
ORDER BY m.conversation COLLATE "C", m.seq
LIMIT $3;

-- add_words
INSERT INTO message_words (conversation, seq, words)
SELECT w.conversation, w.seq, w.words::tsvector
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS w (conversation, seq, words)
ON CONFLICT (conversation, seq) DO NOTHING;

-- indexed
UPDATE conversation AS c SET indexed = w.indexed, stale = c.tail > w.indexed
FROM unnest($1::text[], $2::bigint[]) AS w (id, indexed)
WHERE c.id = w.id;
