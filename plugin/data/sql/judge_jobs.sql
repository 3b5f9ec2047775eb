-- Judges each requested job. Part of terminate_jobs.sql and of preview_terminations.sql, which define these
-- parts before it:
--   requested  id, seen_at, worker_end and is_ours of the requested jobs
--   job        the rows of those jobs, as far as they could be locked
--   build      the rows of their workspace builds, as far as they could be locked
-- Both have the same first parameters:
--
-- $1  ids of the jobs, uuid[]
-- $2  their updated_at as the search saw it, in the same order, timestamptz[]
-- $3  reasons for a termination, text[]
-- $4  the threshold of each reason in seconds, in the same order, double precision[]: a job that was updated
--     within this time is left alone; 0: each job is
-- $5  how the worker of each job in $1 has ended, text[]; empty when that is not known
--
-- The reason is pending for a job that was neither started nor canceled. It is ended for any other job whose
-- worker has ended. It is hung for the others, and when the job has no row here. The verdict is null for a job
-- that is to be terminated. Otherwise it says why the job is not terminated. silent is how long ago the job was
-- updated. It has limits, because timestamps are infinite where an operator has written that.
judged AS MATERIALIZED (
    SELECT
        examined.*,
        CASE
            WHEN NOT is_ours THEN 'locked'
            WHEN job_id IS NULL THEN 'missing'
            WHEN completed_at IS NOT NULL THEN 'completed'
            WHEN reason = 'pending' AND (updated_at <= silent_since) IS NOT TRUE THEN 'not_started'
            -- A Coder server whose clock is behind writes an updated_at that may be older than the threshold.
            -- So a job whose updated_at has changed has reported, too.
            WHEN reason <> 'pending' AND ((updated_at <= silent_since) IS NOT TRUE OR updated_at <> seen_at) THEN 'reported'
            WHEN is_build AND build_id IS NULL THEN 'no_build'
        END AS verdict
    FROM (
        SELECT
            found.*,
            now() - greatest(least(updated_at, now()), now() - interval '1000 years') AS silent,
            now() - nullif(($4::double precision[])[pg_catalog.array_position($3::text[], reason)], 0::double precision)
                * interval '1 second' AS silent_since
        FROM (
            SELECT
                requested.id, requested.seen_at, requested.worker_end, requested.is_ours,
                job.id AS job_id, job.type, job.is_build, job.completed_at, job.updated_at,
                CASE
                    WHEN job.id IS NOT NULL AND job.started_at IS NULL AND job.canceled_at IS NULL THEN 'pending'
                    WHEN requested.worker_end <> '' THEN 'ended'
                    ELSE 'hung'
                END AS reason,
                build.id AS build_id, build.workspace_id, build.build_number, build.previous_number, build.has_state
            FROM requested
            LEFT JOIN job ON job.id = requested.id
            LEFT JOIN build ON build.job_id = requested.id
        ) AS found
    ) AS examined
)
