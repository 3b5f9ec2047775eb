-- Finds which of some jobs, all terminated by the detector, were updated since by their workers.
--
-- $1  ids of the jobs, uuid[]
-- $2  their updated_at as the termination left it, in the same order, bigint[]: microseconds
--     since 1970
-- $3  regular expression of a detector's error (Wording.h)
--
-- One row for each: its id, and whether it has been completed as a success. A heartbeat sets
-- updated_at, and so does a worker that completes its job; a user who cancels it does not. That may
-- make it a running job again, and the next termination, be it by another detector, is no worker either.
SELECT j.id::text, j.completed_at IS NOT NULL AND j.error IS NULL AS has_succeeded
FROM unnest($1::uuid[], $2::bigint[]) AS watched (id, updated_us)
JOIN provisioner_jobs j ON j.id = watched.id
WHERE (extract(epoch FROM j.updated_at) * 1000000)::bigint <> watched.updated_us
  AND (
      j.updated_at IS DISTINCT FROM j.completed_at
      OR j.error IS NULL
      OR j.error !~ $3::text
  )
