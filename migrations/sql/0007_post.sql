-- The post: mail that waits to be sent, links that it carries, and limits on how often anybody tries.

SELECT 1;
