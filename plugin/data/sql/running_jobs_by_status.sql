-- The running jobs, by Coder's own index on job_status. For find_jobs.sql, when the database has that column
-- and the role may read it. Like the index of packaging/sql/index.sql, this index leads to no finished job.
--
-- A job with an error has the status failed, even while it is not completed. Coder writes error and
-- completion together, but a user's cancel at the same moment can take the completion back. This statement
-- misses such a job. running_jobs.sql, which the search uses once an hour, finds it.
SELECT id, started_at, updated_at, canceled_at, xmin AS writer
FROM provisioner_jobs
WHERE job_status OPERATOR(pg_catalog.=) ANY ('{running,canceling}')
