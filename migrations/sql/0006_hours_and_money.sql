-- The whole life of hours; money that moves, is counted and goes out.

SELECT 1;
