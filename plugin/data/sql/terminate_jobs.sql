-- Terminates jobs that are hung, pending or ended. It is one statement, so it does everything below or nothing.
--
-- $1 to $5  as in judge_jobs.sql
-- $6  the advisory lock keys of the jobs, in the same order, bigint[] (AdvisoryLock.h)
-- $7  the error of a job for each reason in $3, text[]; % stands for how its worker has ended
-- $8  the line in its log for each reason in $3, text[], in the same way
--
-- One row for each requested job. Its outcome is one of
--   terminated        everything below is done and committed with this statement
--   locked            another session has locked the job or its build: left alone
--   missing, not_started, completed, reported
--                     not eligible any more: left alone
--   no_build          a workspace build without its workspace_builds row: left alone
--   not_updated       a trigger kept the job from being updated: left alone
-- Its updated_at is that of a terminated job; empty for any other job.
--
-- The time is now(), the start of this statement by the database's own clock.
-- CTEs that take locks are MATERIALIZED, so that each lock is tried once.
--
-- The planner expects that a condition such as type = 'workspace_build' or reason = 'hung' holds for few
-- rows. It would then join a batch in nested loops, each job with each other. So the result of such a
-- condition is computed before, as a column. A column is also passed on where that saves a join of two CTEs.
WITH requested AS MATERIALIZED (
    -- The lock that Coder servers from before mid-2025 take.
    SELECT r.id, r.seen_at, r.worker_end, pg_try_advisory_xact_lock(r.lock_key) AS is_ours
    FROM unnest($1::uuid[], $2::timestamptz[], $5::text[], $6::bigint[]) AS r (id, seen_at, worker_end, lock_key)
),

-- The lock that later Coder servers take. It returns the newest committed version of the row, even if that is
-- newer than this statement's snapshot. NO KEY UPDATE blocks every other detector and every update. It does
-- not block a worker that inserts log lines, which refer to the job.
job AS MATERIALIZED (
    SELECT
        j.id, j.type::text AS type, j.type::text = 'workspace_build' AS is_build,
        j.started_at, j.canceled_at, j.completed_at, j.updated_at
    FROM requested r
    JOIN provisioner_jobs j ON j.id = r.id
    WHERE r.is_ours
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

build AS MATERIALIZED (
    SELECT
        b.id, b.job_id, b.workspace_id, b.build_number,
        nullif(b.build_number, '-2147483648'::integer) - 1 AS previous_number,
        coalesce(octet_length(b.provisioner_state), 0) > 0 AS has_state
    FROM job
    JOIN workspace_builds b ON b.job_id = job.id
    WHERE job.is_build
    FOR NO KEY UPDATE OF b SKIP LOCKED
),

--include judge_jobs.sql
,

-- A row that exists but was not read above is locked by another session.
decided AS MATERIALIZED (
    SELECT
        judged.*,
        replace(($7::text[])[pg_catalog.array_position($3::text[], reason)], '%'::text, worker_end) AS error,
        replace(($8::text[])[pg_catalog.array_position($3::text[], reason)], '%'::text, worker_end) AS line,
        -- Not with AND: a null verdict would look up each job that is to be terminated.
        CASE verdict
            WHEN 'missing' THEN
                CASE WHEN EXISTS (SELECT FROM provisioner_jobs j WHERE j.id = judged.id) THEN 'locked' ELSE verdict END
            WHEN 'no_build' THEN
                CASE
                    WHEN EXISTS (SELECT FROM workspace_builds b WHERE b.job_id = judged.id) THEN 'locked'
                    ELSE verdict
                END
            ELSE verdict
        END AS obstacle
    FROM judged
),

-- Everything below works only on the rows that this update returns. The update checks completed_at again, as
-- a second guard besides the lock.
failed AS (
    UPDATE provisioner_jobs j
    SET
        updated_at = now(),
        started_at = CASE decided.reason WHEN 'pending' THEN now() ELSE j.started_at END,
        completed_at = now(),
        error = decided.error,
        error_code = NULL
    FROM decided
    WHERE decided.obstacle IS NULL
      AND j.id = decided.id
      AND CASE WHEN j.completed_at IS NULL THEN true ELSE false END
    RETURNING
        j.id, j.updated_at, decided.line, decided.build_id, decided.workspace_id, decided.previous_number,
        decided.has_state,
        -- Without updated_at: some databases set it by a trigger.
        j.completed_at = now() AND j.error::text = decided.error AS is_whole
),

-- The stage of the newest log line. The index on (job_id, id) finds it, and no line's text is read.
changed AS MATERIALIZED (
    SELECT
        failed.id,
        failed.updated_at,
        failed.is_whole,
        failed.line,
        coalesce(nullif((
            SELECT l.stage::text FROM provisioner_job_logs l WHERE l.job_id = failed.id ORDER BY l.id DESC LIMIT 1
        ), ''), 'Unknown') AS stage
    FROM failed
),

--include append_lines.sql
,

-- A build that has a state keeps it. Without a previous build there is nothing to copy. No bytes of the state
-- leave the server.
copied AS (
    UPDATE workspace_builds b
    SET provisioner_state = previous.provisioner_state, updated_at = now()
    FROM failed
    JOIN workspace_builds previous
        ON previous.workspace_id = failed.workspace_id AND previous.build_number = failed.previous_number
    WHERE b.id = failed.build_id AND NOT failed.has_state
    RETURNING
        b.job_id,
        coalesce(octet_length(b.provisioner_state), 0) > 0 AS has_state,
        octet_length(b.provisioner_state) IS NOT DISTINCT FROM octet_length(previous.provisioner_state) AS is_whole
)

-- pg_notify delivers at the commit, or never. It has to be in this last query: the server does not execute a
-- CTE that nothing reads.
SELECT
    decided.id::text,
    CASE
        WHEN changed.id IS NULL THEN coalesce(decided.obstacle, 'not_updated')
        WHEN changed.is_whole AND first_line.lines = 5 AND CASE
            WHEN copied.job_id IS NOT NULL THEN copied.is_whole
            ELSE decided.build_id IS NULL OR decided.has_state OR NOT EXISTS (
                SELECT
                FROM workspace_builds previous
                WHERE previous.workspace_id = decided.workspace_id
                  AND previous.build_number = decided.previous_number
            )
        END THEN 'terminated'
        -- A trigger has changed or swallowed a part. This text is no boolean, so it raises an error: nothing
        -- is committed.
        ELSE ('a trigger changed what the hang detector wrote for job ' || decided.id::text)::boolean::text
    END AS outcome,
    coalesce(decided.type, '') AS type,
    floor(extract(epoch FROM decided.silent)::double precision)::bigint AS silent_s,
    coalesce(changed.stage, '') AS stage,
    coalesce(decided.workspace_id::text, '') AS workspace_id,
    coalesce(decided.build_number, 0)::bigint AS build_number,
    CASE WHEN decided.has_state THEN 'kept' WHEN copied.has_state THEN 'copied' ELSE 'none' END AS state,
    decided.reason,
    coalesce(changed.updated_at::text, '') AS updated_at,
    CASE
        WHEN changed.id IS NOT NULL THEN
            pg_notify(
                'provisioner-log-logs:' || decided.id::text,
                '{"created_after":' || (first_line.id - 1)::text || ',"end_of_logs":true}'
            )::text
    END AS notified
FROM decided
LEFT JOIN changed ON changed.id = decided.id
LEFT JOIN first_line ON first_line.job_id = decided.id
LEFT JOIN copied ON copied.job_id = decided.id
