-- Whether the search reads a large table because an index is missing.
--
-- One row: true when the table has 8 MB (some 20,000 jobs) or more, and no index for the search. Such an
-- index leaves out the finished jobs, as that of packaging/sql/index.sql does, or is on job_status, if the
-- role may read that column.
SELECT
    pg_relation_size(c.oid) >= 8 * 1024 * 1024
    AND NOT EXISTS (
        SELECT
        FROM pg_index i
        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = c.oid
          AND i.indisvalid
          AND (
              pg_get_expr(i.indpred, i.indrelid) LIKE '%completed_at IS NULL%'
              OR (a.attname = 'job_status' AND has_column_privilege(a.attrelid, a.attnum, 'SELECT'))
          )
    ) AS wants_index
FROM pg_class c
WHERE c.oid = 'provisioner_jobs'::regclass
