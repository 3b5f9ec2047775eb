-- Finds the running jobs that belong to marks.
--
-- $1  ids of jobs, uuid[]
-- $2  ids of daemons, uuid[]
--
-- One row for each running job with one of these ids, or whose worker is one of these daemons: its id, its
-- updated_at, the id of its worker or nothing, and how long ago it was started and updated, in milliseconds.
-- Times have limits, because infinite ones cannot be subtracted.
WITH running AS (
--include running_jobs.sql
)

SELECT
    j.id::text,
    running.updated_at::text AS updated_at,
    coalesce(j.worker_id::text, '') AS worker,
    floor(extract(epoch FROM now() - greatest(least(j.started_at, now()), now() - interval '1000 years'))::double precision
        * 1000::double precision)::bigint AS started_ms,
    floor(extract(epoch FROM now() - greatest(least(running.updated_at, now()), now() - interval '1000 years'))::double precision
        * 1000::double precision)::bigint AS silent_ms
FROM running
JOIN provisioner_jobs j ON j.id = running.id
WHERE j.started_at IS NOT NULL
  AND (j.id OPERATOR(pg_catalog.=) ANY ($1::uuid[]) OR j.worker_id OPERATOR(pg_catalog.=) ANY ($2::uuid[]))
