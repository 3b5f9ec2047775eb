-- Makes an optional index, for a Coder deployment that has 20,000 jobs or more and no index on
-- provisioner_jobs.job_status. With it the detector's search reads only the running jobs, however many
-- finished ones the table holds. Later deployments have that index, which the detector uses once role.sql has
-- granted the column.
--
-- Run it with psql as the owner of Coder's tables or as a superuser. It may be run again, and it blocks
-- no reads or writes.
--
--     psql --dbname=coder --file=index.sql
--
-- Heartbeats do not touch it: they write updated_at, which neither the column nor the condition of
-- the index uses, so they stay HOT updates. The column is created_at because it never changes, and
-- because the running jobs lie together in the table in its order, unlike in that of the ids.
-- To remove the index: DROP INDEX CONCURRENTLY hang_detector_running_jobs;
\set ON_ERROR_STOP on

-- An interrupted CREATE INDEX CONCURRENTLY leaves an index that is written but never used.
SELECT EXISTS (
    SELECT
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'provisioner_jobs'::regclass::oid
      AND c.relname = 'hang_detector_running_jobs'
      AND NOT i.indisvalid
) AS index_is_broken \gset
\if :index_is_broken
    DROP INDEX CONCURRENTLY hang_detector_running_jobs;
\endif

CREATE INDEX CONCURRENTLY IF NOT EXISTS hang_detector_running_jobs
ON provisioner_jobs (created_at)
WHERE started_at IS NOT NULL AND completed_at IS NULL;
