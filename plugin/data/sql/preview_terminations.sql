-- Says what terminate_jobs.sql would do with jobs. Writes nothing and locks nothing. So it does not see the
-- locks of other sessions, nor what a trigger would do.
--
-- $1 to $5  as in judge_jobs.sql
--
-- One row for each requested job, with the columns of terminate_jobs.sql up to updated_at, and with the same
-- values, except that updated_at is empty. The outcome is terminated, missing, not_started, completed, reported
-- or no_build.
WITH requested AS (
    SELECT r.id, r.seen_at, r.worker_end, true AS is_ours
    FROM unnest($1::uuid[], $2::timestamptz[], $5::text[]) AS r (id, seen_at, worker_end)
),

job AS (
    SELECT
        j.id, j.type::text AS type, j.type::text = 'workspace_build' AS is_build,
        j.started_at, j.canceled_at, j.completed_at, j.updated_at
    FROM requested r
    JOIN provisioner_jobs j ON j.id = r.id
),

build AS (
    SELECT
        b.id, b.job_id, b.workspace_id, b.build_number,
        nullif(b.build_number, '-2147483648'::integer) - 1 AS previous_number,
        coalesce(octet_length(b.provisioner_state), 0) > 0 AS has_state
    FROM job
    JOIN workspace_builds b ON b.job_id = job.id
    WHERE job.is_build
),

--include judge_jobs.sql

SELECT
    judged.id::text,
    coalesce(judged.verdict, 'terminated') AS outcome,
    coalesce(judged.type, '') AS type,
    floor(extract(epoch FROM judged.silent)::double precision)::bigint AS silent_s,
    CASE
        WHEN judged.verdict IS NULL THEN
            coalesce(nullif((
                SELECT l.stage::text FROM provisioner_job_logs l WHERE l.job_id = judged.id ORDER BY l.id DESC LIMIT 1
            ), ''), 'Unknown')
        ELSE ''
    END AS stage,
    coalesce(judged.workspace_id::text, '') AS workspace_id,
    coalesce(judged.build_number, 0)::bigint AS build_number,
    CASE
        WHEN judged.has_state THEN 'kept'
        WHEN judged.verdict IS NULL AND octet_length(previous.provisioner_state) > 0 THEN 'copied'
        ELSE 'none'
    END AS state,
    judged.reason,
    '' AS updated_at
FROM judged
LEFT JOIN workspace_builds previous
    ON previous.workspace_id = judged.workspace_id AND previous.build_number = judged.previous_number
