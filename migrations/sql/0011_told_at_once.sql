-- What is rare and is looked for among very much: closings, restores and new keys of a book, and the
-- leaves in which a log tells of restores and new keys. Both indexes are as long as these are many.

CREATE INDEX records_told_at_once ON timebank.records (group_id, kind, seq)
    WHERE kind IN ('closing', 'restored', 'key');

CREATE INDEX published_leaves_told ON timebank.published_leaves (group_id, leaf_index)
    WHERE position('"kind":"key"'::bytea IN leaf) > 0 OR position('"kind":"restored"'::bytea IN leaf) > 0;
