-- Judges each requested job. Part of cancel_jobs.sql and of preview_cancels.sql, which define these parts before it:
--   requested  id, newest_line and is_ours of the requested jobs
--   job        the rows of those jobs, as far as they could be locked
-- Both have the same first parameters:
--
-- $1  ids of the jobs, uuid[]
-- $2  the id of the newest line in the log of each job, as the search saw it, in the same order, bigint[]; 0
--     without one
-- $3, $4  the thresholds of find_stalled_jobs.sql
--
-- The row of a job is its newest version, read under the lock. Its log and its overflow are read as they were when the
-- statement began: a worker writes lines without the lock.
--
-- The verdict is null for a job that is to be canceled. Otherwise it says why the job is not canceled.
judged AS MATERIALIZED (
    SELECT
        requested.id, job.type, build.workspace_id, build.build_number, log.stage, log.log_silence,
        CASE
            WHEN NOT requested.is_ours THEN 'locked'
            WHEN job.id IS NULL THEN 'missing'
            WHEN job.completed_at IS NOT NULL THEN 'completed'
            WHEN job.canceled_at IS NULL
                AND job.started_at IS NOT NULL
                AND job.updated_at > now() - $4::double precision * interval '1 second'
                AND log.newest_line = requested.newest_line
                AND log.log_silence >= j.least_silence
                AND overflow.has_overflowed IS NOT TRUE
            THEN NULL
            ELSE 'not_stalled'
        END AS verdict
    FROM requested
    LEFT JOIN job ON job.id = requested.id
    LEFT JOIN LATERAL (
        SELECT b.workspace_id, b.build_number
        FROM workspace_builds b
        WHERE b.job_id = job.id AND job.type = 'workspace_build'
    ) AS build ON true
    LEFT JOIN LATERAL (
        SELECT job.id, job.started_at, $3::double precision * interval '1 second' AS least_silence
    ) AS j ON true
    CROSS JOIN LATERAL (
--include log_silence.sql
    ) AS log
    CROSS JOIN LATERAL (
--include log_overflow.sql
    ) AS overflow
)
