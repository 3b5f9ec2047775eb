-- Finds the jobs that were canceled as stalled, by a detector that is gone, and still run.
--
-- One row for each, with its id. cancel_jobs.sql writes a line into the log of a job at the instant of its cancel.
WITH running AS (
--include running_jobs.sql
)

SELECT running.id::text
FROM running
WHERE started_at IS NOT NULL
  AND canceled_at IS NOT NULL
  AND EXISTS (
      SELECT
      FROM provisioner_job_logs l
      WHERE l.job_id = running.id AND l.created_at = running.canceled_at
  )
