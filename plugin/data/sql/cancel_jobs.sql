-- Cancels jobs that report but do not move, as their users would. It is one statement, so it does everything below or
-- nothing.
--
-- $1 to $4  as in judge_stalled_jobs.sql
-- $5  the advisory lock keys of the jobs, in the same order, bigint[] (AdvisoryLock.h)
-- $6  the line in the log of a job, text
--
-- One row for each requested job: its id, the outcome, its type, for how many seconds its log has been silent, its
-- stage, and the workspace and number of its build. The outcome is one of
--   canceled          everything below is done and committed with this statement
--   locked            another session has locked the job: left alone
--   missing, completed, not_stalled
--                     not stalled any more: left alone
--   not_updated       a trigger kept the job from being updated: left alone
--
-- The job's worker sees canceled_at by its next report. It then stops, and completes the job itself. So the job is not
-- completed here, and its updated_at stays its heartbeat. For the rest see terminate_jobs.sql.
WITH requested AS MATERIALIZED (
    SELECT r.id, r.newest_line, pg_try_advisory_xact_lock(r.lock_key) AS is_ours
    FROM unnest($1::uuid[], $2::bigint[], $5::bigint[]) AS r (id, newest_line, lock_key)
),

job AS MATERIALIZED (
    SELECT j.id, j.type::text AS type, j.started_at, j.canceled_at, j.completed_at, j.updated_at
    FROM requested r
    JOIN provisioner_jobs j ON j.id = r.id
    WHERE r.is_ours
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

--include judge_stalled_jobs.sql
,

-- A row that exists but was not read above is locked by another session.
decided AS MATERIALIZED (
    SELECT
        judged.*,
        CASE verdict
            WHEN 'missing' THEN
                CASE WHEN EXISTS (SELECT FROM provisioner_jobs j WHERE j.id = judged.id) THEN 'locked' ELSE verdict END
            ELSE verdict
        END AS obstacle
    FROM judged
),

changed AS (
    UPDATE provisioner_jobs j
    SET canceled_at = now()
    FROM decided
    WHERE decided.obstacle IS NULL
      AND j.id = decided.id
      AND CASE WHEN j.completed_at IS NULL AND j.canceled_at IS NULL THEN true ELSE false END
    RETURNING j.id, decided.stage, $6::text AS line, j.canceled_at = now() AND j.completed_at IS NULL AS is_whole
),

--include append_lines.sql

SELECT
    decided.id::text,
    CASE
        WHEN changed.id IS NULL THEN coalesce(decided.obstacle, 'not_updated')
        WHEN changed.is_whole AND first_line.lines = 5 THEN 'canceled'
        -- As in terminate_jobs.sql: this text is no boolean.
        ELSE ('a trigger changed what the hang detector wrote for job ' || decided.id::text)::boolean::text
    END AS outcome,
    coalesce(decided.type, '') AS type,
    coalesce(floor(extract(epoch FROM decided.log_silence)::double precision)::bigint, 0) AS silent_s,
    coalesce(changed.stage, '') AS stage,
    coalesce(decided.workspace_id::text, '') AS workspace_id,
    coalesce(decided.build_number, 0)::bigint AS build_number,
    CASE
        WHEN changed.id IS NOT NULL THEN
            -- Without end_of_logs: more lines follow.
            pg_notify(
                'provisioner-log-logs:' || decided.id::text,
                '{"created_after":' || (first_line.id - 1)::text || '}'
            )::text
    END AS notified
FROM decided
LEFT JOIN changed ON changed.id = decided.id
LEFT JOIN first_line ON first_line.job_id = decided.id
