-- Finds the jobs that are over.
--
-- $1  ids of jobs, uuid[]
-- $2  regular expression of a detector's error (Wording.h)
--
-- One row for each of these jobs that is completed: its id, for how many seconds it has been, and the error that a
-- hang detector gave it, this one or another. The error is empty for a job that its worker has completed, also
-- after a termination.
SELECT
    id::text,
    floor(extract(epoch FROM now() - greatest(least(completed_at, now()), now() - interval '1000 years'))
        ::double precision)::bigint AS over_s,
    CASE WHEN error::text ~ $2::text THEN error::text ELSE '' END AS error
FROM provisioner_jobs
WHERE id = ANY ($1::uuid[]) AND completed_at IS NOT NULL
