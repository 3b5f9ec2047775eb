-- The jobs that are running, by Coder's own index on job_status. For find_jobs.sql where the database has
-- that column and the role can read it. It reads no finished job, as an index of our own would.
--
-- An error makes a job's status failed, also while the job is not completed. Coder writes both at once,
-- but a user's cancel at the same moment can take the completion back. running_jobs.sql finds such a
-- job.
SELECT id, updated_at, canceled_at, xmin AS writer
FROM provisioner_jobs
WHERE job_status IN ('running', 'canceling')
