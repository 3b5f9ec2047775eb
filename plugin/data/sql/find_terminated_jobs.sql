-- Finds the jobs that a hang detector has terminated, this one or another.
--
-- $1  ids of the jobs, uuid[]
-- $2  regular expression of a detector's error (Wording.h)
--
-- One row for each such job: its id, and the error that the termination gave it. A job that its worker has
-- completed afterwards has another error, or none, and gets no row.
SELECT id::text, error::text
FROM provisioner_jobs
WHERE id = ANY ($1::uuid[])
  AND completed_at IS NOT NULL
  AND error::text ~ $2::text
