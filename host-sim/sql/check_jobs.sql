-- The jobs that run or wait: first those that are hung, then pending, silent, running and waiting ones, of each those
-- that have been silent for longest first.
--
-- $1  HungJobDuration in seconds
-- $2  PendingJobDuration in seconds; 0: no waiting job is pending
-- $3  how many rows there are at most
--
-- One row for each job. Its state is hung, pending, silent (no heartbeat for a minute), running or waiting. The
-- workspace is that of a workspace build, or empty. The last two columns are the same in each row: how many jobs
-- there are, and how many of them are silent.
WITH jobs AS (
    SELECT
        id,
        type,
        started_at IS NULL AND canceled_at IS NULL AS is_waiting,
        floor(extract(epoch FROM now() - greatest(least(updated_at, now()), now() - interval '1000 years')))::bigint
            AS silent_s
    FROM provisioner_jobs
    WHERE completed_at IS NULL
),

known AS (
    SELECT
        *,
        CASE
            WHEN is_waiting AND $2::bigint > 0 AND silent_s >= $2::bigint THEN 'pending'
            WHEN is_waiting THEN 'waiting'
            WHEN silent_s >= $1::bigint THEN 'hung'
            WHEN silent_s >= 60 THEN 'silent'
            ELSE 'running'
        END AS state
    FROM jobs
)

SELECT
    known.id::text,
    known.type::text,
    known.state,
    known.silent_s,
    coalesce(build.workspace_id::text, '') AS workspace_id,
    count(*) OVER () AS jobs,
    count(*) FILTER (WHERE known.state = 'silent') OVER () AS silent
FROM known
LEFT JOIN workspace_builds build ON build.job_id = known.id
ORDER BY pg_catalog.array_position('{hung,pending,silent,running,waiting}'::text[], known.state), known.silent_s DESC
LIMIT $3::integer
