-- How people sign in: sessions, passkeys, codes and cards.

-- Whether this person has any way to sign in; silence of somebody without one is never a yes.
ALTER TABLE people.members ADD COLUMN signs_in boolean NOT NULL DEFAULT false;
-- The owner is walled off from the rows as everybody is; the role that migrates is not.
SET ROLE NONE;
UPDATE people.members AS m
   SET signs_in = true
 WHERE EXISTS (SELECT FROM people.tokens AS t
                WHERE t.group_id = m.group_id AND t.member_id = m.member_id AND t.revoked_at IS NULL);
SET ROLE timebank_owner;
ALTER TABLE people.members ALTER COLUMN signs_in DROP DEFAULT;
