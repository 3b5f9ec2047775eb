-- The jobs that run or wait, those that have been silent for longest first.
--
-- $1  HungJobDuration in seconds
-- $2  PendingJobDuration in seconds; 0: no waiting job is pending
-- $3  how many rows there are at most
--
-- One row for each job. Its state is hung, silent (no heartbeat for a minute), running, pending or waiting. The
-- workspace is that of a workspace build, or empty.
SELECT
    job.id::text,
    job.type::text,
    CASE
        WHEN job.started_at IS NULL AND job.canceled_at IS NULL THEN
            CASE WHEN $2::bigint > 0 AND job.silent_s >= $2::bigint THEN 'pending' ELSE 'waiting' END
        WHEN job.silent_s >= $1::bigint THEN 'hung'
        WHEN job.silent_s >= 60 THEN 'silent'
        ELSE 'running'
    END AS state,
    job.silent_s,
    coalesce(build.workspace_id::text, '') AS workspace_id
FROM (
    SELECT
        id,
        type,
        started_at,
        canceled_at,
        floor(extract(epoch FROM now() - greatest(least(updated_at, now()), now() - interval '1000 years')))::bigint
            AS silent_s
    FROM provisioner_jobs
    WHERE completed_at IS NULL
) AS job
LEFT JOIN workspace_builds build ON build.job_id = job.id
ORDER BY job.silent_s DESC
LIMIT $3::integer
