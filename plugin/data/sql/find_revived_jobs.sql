-- Finds which of some jobs, all terminated by the detector, their workers have touched since.
--
-- $1  ids of the jobs, uuid[]
--
-- One row for each: its id, and whether it has been completed as a success. The detector set
-- updated_at and completed_at to the same instant, and a heartbeat moves only the first; a
-- worker that completes the job replaces the error, too.
SELECT
    id::text,
    completed_at IS NOT NULL AND error IS NULL AS has_succeeded
FROM provisioner_jobs
WHERE id = ANY ($1::uuid[])
  AND (
      updated_at IS DISTINCT FROM completed_at
      OR error IS NULL
      OR error !~ '^Coder: Build has been detected as (hung|pending) for [0-9.]+ minutes and has been terminated by hang detector[.]$'
  )
