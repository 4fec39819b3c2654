-- The whole life of a draw, and policies as data.

SELECT 1;
