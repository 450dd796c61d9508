-- Erasure, retention and search.

-- words_of
-- What the index knows of messages that are going to be blanked.
SELECT row, text FROM message
WHERE conversation = :conversation AND seq <= :up_to AND :sender IN ('', sender) AND text <> ''
  AND row <= (SELECT indexed FROM search);

-- forget_words
INSERT INTO message_words (message_words, rowid, text) VALUES ('delete', ?, ?);

-- erased
-- Words were taken out of the index: until its older pages are merged they are still in there.
UPDATE search SET erased = erased + 1;

-- erasures
SELECT erased, merged FROM search;

-- merge_words
INSERT INTO message_words (message_words, rank) VALUES ('merge', ?);

-- merged
UPDATE search SET merged = max(merged, ?);

-- blank_messages
UPDATE message SET body = x'', text = '', erased = 1
WHERE conversation = :conversation AND seq <= :up_to AND :sender IN ('', sender) AND NOT erased;

-- blank_pushes
UPDATE push SET body = x'' WHERE conversation = ? AND length(body) > 0;

-- old_messages
-- Those of conversations on hold and of turns that have not ended stay.
SELECT m.row, m.text, m.row <= (SELECT indexed FROM search)
FROM message AS m
JOIN conversation AS c ON c.id = m.conversation AND c.hold = ''
WHERE m.at < :before AND NOT m.erased
  AND NOT EXISTS (
    SELECT 1 FROM turn AS u WHERE u.conversation = m.conversation AND u.id = m.turn
      AND u.state NOT IN ('completed', 'failed', 'cancelled', 'rejected')
  )
  AND NOT EXISTS (
    SELECT 1 FROM turn AS u WHERE u.conversation = m.conversation AND u.due <> 0 AND u.due = m.seq
  )
  AND (instr(m.recipients, ' ') = 0 OR NOT EXISTS (
    SELECT 1 FROM turn AS u WHERE u.conversation = m.conversation AND u.opened = m.seq
      AND u.state NOT IN ('completed', 'failed', 'cancelled', 'rejected')
  ))
ORDER BY m.at
LIMIT :limit;

-- blank_message
UPDATE message SET body = x'', text = '', erased = 1 WHERE row = ?;

-- blank_old_pushes
UPDATE push SET body = x''
WHERE at < ? AND length(body) > 0 AND conversation NOT IN (SELECT id FROM conversation WHERE hold <> '');

-- unindexed
-- Rows are in the order of commits, so nothing comes in below what was indexed.
SELECT row, text FROM message
WHERE row > (SELECT indexed FROM search)
ORDER BY row
LIMIT ?;

-- add_words
INSERT INTO message_words (rowid, text) VALUES (?, ?);

-- indexed
UPDATE search SET indexed = ?;

-- keep_draft
-- Of a turn that goes on, and newer than what is there.
INSERT INTO draft (conversation, turn, fence, number, body, at)
SELECT conversation, id, :fence, :number, :body, :at FROM turn
WHERE conversation = :conversation AND id = :turn
  AND state NOT IN ('completed', 'failed', 'cancelled', 'rejected')
ON CONFLICT (conversation, turn) DO UPDATE SET fence = excluded.fence, number = excluded.number, body = excluded.body,
  at = excluded.at
WHERE (excluded.fence, excluded.number) > (fence, number);

-- drop_draft
DELETE FROM draft WHERE conversation = ? AND turn = ?;

-- drop_drafts_of
-- All of a conversation, or those of the agent that speaks as this sender.
DELETE FROM draft
WHERE conversation = :conversation AND (:sender = '' OR turn IN (
    SELECT id FROM turn WHERE turn.conversation = :conversation AND 'agent:' || agent = :sender
  ));

-- drop_ended_drafts
DELETE FROM draft
WHERE rowid IN (
    SELECT d.rowid FROM draft AS d CROSS JOIN turn AS t ON t.conversation = d.conversation AND t.id = d.turn
    WHERE t.state IN ('completed', 'failed', 'cancelled', 'rejected')
    LIMIT ?
  );
