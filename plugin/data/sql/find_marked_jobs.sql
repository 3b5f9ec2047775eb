-- Finds running jobs by their ids.
--
-- $1  ids of jobs, uuid[]
--
-- One row for each of these jobs that a worker has started: its id, its updated_at, and how long ago it was started
-- and updated, in milliseconds. Times have limits, because infinite ones cannot be subtracted.
SELECT
    id::text,
    updated_at::text AS updated_at,
    floor(extract(epoch FROM now() - greatest(least(started_at, now()), now() - interval '1000 years'))
        ::double precision * 1000::double precision)::bigint AS started_ms,
    floor(extract(epoch FROM now() - greatest(least(updated_at, now()), now() - interval '1000 years'))
        ::double precision * 1000::double precision)::bigint AS silent_ms
FROM provisioner_jobs
WHERE id = ANY ($1::uuid[]) AND started_at IS NOT NULL AND completed_at IS NULL
