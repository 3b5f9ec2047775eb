-- Whether the search reads a large table for want of an index.
--
-- One row: true when the table has 8 MB (some 20,000 jobs) or more, and no index that leaves out the finished
-- jobs, as that of packaging/sql/index.sql does.
SELECT
    pg_relation_size(c.oid::regclass) >= 8 * 1024 * 1024
    AND NOT EXISTS (
        SELECT
        FROM pg_index i
        WHERE i.indrelid = c.oid
          AND i.indisvalid
          AND pg_get_expr(i.indpred, i.indrelid) LIKE '%completed_at IS NULL%'
    ) AS wants_index
FROM pg_class c
WHERE c.oid = 'provisioner_jobs'::regclass::oid
