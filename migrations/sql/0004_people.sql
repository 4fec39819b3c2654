-- How people join, change and leave; who stands in for whom; what a group says about itself over time.

-- A household is a random id that stewards tie people to; nothing else about it exists.
ALTER TABLE people.members ADD COLUMN household_id uuid;
CREATE INDEX members_of_household ON people.members (group_id, household_id) WHERE household_id IS NOT NULL;

-- Hours are rounded to so many minutes (1 is not at all), up or to the nearest; silence of so many days is a yes.
ALTER TABLE timebank.groups
    ADD COLUMN rounding_minutes integer NOT NULL DEFAULT 1 CHECK (rounding_minutes IN (1, 5, 6, 10, 15, 30, 60)),
    ADD COLUMN rounding_up boolean NOT NULL DEFAULT false,
    ADD COLUMN confirm_days integer NOT NULL DEFAULT 7 CHECK (confirm_days BETWEEN 1 AND 90),
    ADD COLUMN words text NOT NULL DEFAULT 'pot' CHECK (words IN ('pot', 'pool', 'hat', 'kitty'));
GRANT UPDATE (rounding_minutes, rounding_up, confirm_days, words) ON timebank.groups TO timebank_app;
ALTER TABLE timebank.groups
    ALTER COLUMN rounding_minutes DROP DEFAULT,
    ALTER COLUMN rounding_up DROP DEFAULT,
    ALTER COLUMN confirm_days DROP DEFAULT,
    ALTER COLUMN words DROP DEFAULT;
