-- Erasure, retention and search.

-- words_of
-- What the index knows of messages that are going to be blanked.
SELECT t.row, m.text FROM message_text AS t
JOIN message AS m ON m.conversation = t.conversation AND m.seq = t.seq
WHERE t.conversation = :conversation AND t.seq <= :up_to AND :sender IN ('', m.sender);

-- forget_words
INSERT INTO message_words (message_words, rowid, text) VALUES ('delete', ?, ?);

-- forget_text
DELETE FROM message_text WHERE row = ?;

-- blank_messages
UPDATE message SET body = x'', text = '', erased = 1
WHERE conversation = :conversation AND seq <= :up_to AND :sender IN ('', sender) AND NOT erased;

-- blank_pushes
UPDATE push SET body = x'' WHERE conversation = ? AND length(body) > 0;

-- old_messages
-- Those of conversations on hold and of turns that have not ended stay.
SELECT m.conversation, m.seq, t.row, m.text
FROM message AS m
JOIN conversation AS c ON c.id = m.conversation AND c.hold = ''
LEFT JOIN message_text AS t ON t.conversation = m.conversation AND t.seq = m.seq
WHERE m.at < :before AND NOT m.erased
  AND NOT EXISTS (
    SELECT 1 FROM turn AS u WHERE u.conversation = m.conversation AND u.id = m.turn
      AND u.state NOT IN ('completed', 'failed', 'cancelled', 'rejected')
  )
  AND NOT EXISTS (
    SELECT 1 FROM turn AS u WHERE u.conversation = m.conversation AND u.due > 0 AND u.due = m.seq
  )
  AND (instr(m.recipients, ' ') = 0 OR NOT EXISTS (
    SELECT 1 FROM turn AS u WHERE u.conversation = m.conversation AND u.opened = m.seq
      AND u.state NOT IN ('completed', 'failed', 'cancelled', 'rejected')
  ))
ORDER BY m.at
LIMIT :limit;

-- blank_message
UPDATE message SET body = x'', text = '', erased = 1 WHERE conversation = ? AND seq = ?;

-- blank_old_pushes
UPDATE push SET body = x''
WHERE at < ? AND length(body) > 0 AND conversation NOT IN (SELECT id FROM conversation WHERE hold <> '');

-- stale_conversations
SELECT id, tail, indexed FROM conversation WHERE stale LIMIT ?;

-- unindexed
SELECT seq, text FROM message
WHERE conversation = ? AND seq > ?
ORDER BY seq
LIMIT ?;

-- add_text
INSERT INTO message_text (conversation, seq) VALUES (?, ?) RETURNING row;

-- add_words
INSERT INTO message_words (rowid, text) VALUES (?, ?);

-- indexed
UPDATE conversation SET indexed = ?, stale = (tail > ?) WHERE id = ?;
