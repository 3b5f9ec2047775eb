-- Finds the jobs that their workers have updated since the detector terminated them.
--
-- $1  ids of terminated jobs, uuid[]
-- $2  their updated_at after the termination, in the same order, timestamptz[]
-- $3  regular expression of a detector's error (Wording.h)
--
-- One row for each such job: its id, and whether it was completed without an error.
--
-- A heartbeat sets updated_at, and so does a worker that completes its job. A cancel by a user leaves
-- updated_at as it is. But a cancel at the same moment as the termination may take the completion back. Then
-- the job runs again, and this detector or another terminates it again. That second termination sets
-- updated_at, but it is no sign of life either. So the last condition leaves out a job whose last update is a
-- detector's termination.
SELECT j.id::text, j.completed_at IS NOT NULL AND j.error IS NULL AS has_succeeded
FROM unnest($1::uuid[], $2::timestamptz[]) AS terminated (id, updated_at)
JOIN provisioner_jobs j ON j.id = terminated.id
WHERE j.updated_at <> terminated.updated_at
  AND (
      j.updated_at IS DISTINCT FROM j.completed_at
      OR j.error IS NULL
      OR j.error::text !~ $3::text
  )
