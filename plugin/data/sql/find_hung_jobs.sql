-- Finds the jobs that are hung at this moment, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for so long is hung
-- $2  how many jobs are chosen at most
--
-- One row for each job chosen: its id and the number of all hung jobs, chosen
-- or not. The choice is random when there are more, so that a job that can
-- never be terminated does not starve the others.
SELECT id::text, count(*) OVER () AS hung
FROM provisioner_jobs
WHERE started_at IS NOT NULL
  AND completed_at IS NULL
  AND updated_at <= now() - make_interval(secs => $1)
ORDER BY random()
LIMIT $2
