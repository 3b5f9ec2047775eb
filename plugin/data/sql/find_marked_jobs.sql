-- Finds running jobs by their ids.
--
-- $1  ids of jobs, uuid[]
--
-- One row for each of these jobs that a worker has started, with the columns of marked_job.sql.
SELECT
--include marked_job.sql
FROM provisioner_jobs j
WHERE j.id = ANY ($1::uuid[]) AND j.started_at IS NOT NULL AND j.completed_at IS NULL
