-- Makes an optional index with which the detector's search costs as much as there are running
-- jobs, however many finished ones the table holds. To be run with psql by the owner of Coder's
-- tables or a superuser, as often as one likes; it locks nobody out.
--
--     psql --dbname=coder --file=index.sql
--
-- It costs no heartbeat anything: that writes updated_at, and as neither the column nor the
-- condition mentions that, the heartbeat stays a HOT update, which touches no index. The column is
-- one that never changes and by which the running jobs lie together in the table, as the ids do
-- not. To be rid of it: DROP INDEX CONCURRENTLY hang_detector_running_jobs;
\set ON_ERROR_STOP on

-- What was left when the making of it was interrupted: it is written, and serves nobody.
SELECT EXISTS (
    SELECT
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'provisioner_jobs'::regclass
      AND c.relname = 'hang_detector_running_jobs'
      AND NOT i.indisvalid
) AS index_is_broken \gset
\if :index_is_broken
    DROP INDEX CONCURRENTLY hang_detector_running_jobs;
\endif

CREATE INDEX CONCURRENTLY IF NOT EXISTS hang_detector_running_jobs
ON provisioner_jobs (created_at)
WHERE started_at IS NOT NULL AND completed_at IS NULL;
