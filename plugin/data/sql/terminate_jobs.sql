-- Terminates jobs that are hung or pending: completely or not at all, by being one statement.
--
-- $1  ids of the jobs, uuid[]
-- $2  their updated_at as the search saw it, in the same order, bigint[]: microseconds since 1970
-- $3  their advisory lock keys in the same order, bigint[] (AdvisoryLock.h)
-- $4  threshold in seconds: a running job that reported within it is left alone
-- $5  threshold in seconds: a job that was never started is left alone if it was touched within it,
--     and always if this is 0
-- $6  error of a hung job
-- $7  its line in the log
-- $8  error of a pending job
-- $9  its line in the log
--
-- One row for each job asked for. Its outcome is one of
--   terminated        everything below is done and committed with this statement
--   locked            somebody else holds the job or its build: left alone
--   missing, not_started, completed, reported
--                     not eligible any more: left alone
--   no_build          a workspace build without its workspace_builds row: left alone
--   not_updated       a trigger kept the job from being updated: left alone
-- Its updated_us is the updated_at of a job that was terminated, in microseconds since 1970.
-- Its reason follows from the job under the lock: hung when it was started or canceled, else pending.
-- It is hung when the job could not be looked at.
--
-- Lines that begin with --+ belong to the statement where the names of workspaces, their owners and
-- templates can be read (prepare_session.sql); elsewhere those are empty.
--
-- preview_terminations.sql says without a write or a lock what this statement would do.
--
-- The time is now(), the start of this statement by the database's own clock.
-- CTEs that take locks are MATERIALIZED, so that each lock is tried once.
--
-- The planner takes type = 'workspace_build', verdict = 'hung' and the like for rare, and would
-- then join a batch in nested loops, each job with each other. So what would be compared is
-- computed as a column before, and no two CTEs meet that a column passed on makes needless.
WITH threshold AS (
    SELECT
        now() - make_interval(secs => $4) AS hung_since,
        CASE WHEN $5 > 0 THEN now() - make_interval(secs => $5) END AS pending_since
),

-- The lock that Coder servers before mid-2025 take.
requested AS MATERIALIZED (
    SELECT r.id, r.seen_us, pg_try_advisory_xact_lock(r.lock_key) AS is_ours
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS r (id, seen_us, lock_key)
),

-- The lock that later ones take. It answers with the newest committed version
-- of the row, even if that is newer than this statement's snapshot. NO KEY
-- UPDATE excludes every other detector and every update, but not a worker
-- whose log lines refer to the job.
job AS MATERIALIZED (
    SELECT
        j.id, j.type, j.type = 'workspace_build' AS is_build, j.completed_at, j.updated_at,
        (extract(epoch FROM j.updated_at) * 1000000)::bigint AS updated_us,
        CASE WHEN j.started_at IS NULL AND j.canceled_at IS NULL THEN 'pending' ELSE 'hung' END AS reason
    FROM requested r
    JOIN provisioner_jobs j ON j.id = r.id
    WHERE r.is_ours
    FOR NO KEY UPDATE OF j SKIP LOCKED
),

build AS MATERIALIZED (
    SELECT
        b.id, b.job_id, b.workspace_id, b.build_number,
        coalesce(octet_length(b.provisioner_state), 0) > 0 AS has_state
    FROM job
    JOIN workspace_builds b ON b.job_id = job.id
    WHERE job.is_build
    FOR NO KEY UPDATE OF b SKIP LOCKED
),

-- Without an obstacle a job is hung or pending.
judged AS MATERIALIZED (
    SELECT
        r.id, job.type, job.updated_at, job.reason,
        CASE job.reason WHEN 'pending' THEN $8 ELSE $6 END AS error,
        CASE job.reason WHEN 'pending' THEN $9 ELSE $7 END AS line,
        build.id AS build_id, build.workspace_id, build.build_number, build.has_state,
        CASE
            WHEN NOT r.is_ours THEN 'locked'
            WHEN job.id IS NULL AND EXISTS (SELECT FROM provisioner_jobs j WHERE j.id = r.id) THEN 'locked'
            WHEN job.id IS NULL THEN 'missing'
            WHEN job.completed_at IS NOT NULL THEN 'completed'
            WHEN job.reason = 'pending' AND (job.updated_at <= threshold.pending_since) IS NOT TRUE
                THEN 'not_started'
            -- Also by a server whose clock is behind: what it writes may be past the threshold.
            WHEN job.reason = 'hung' AND (job.updated_at > threshold.hung_since OR job.updated_us <> r.seen_us)
                THEN 'reported'
            WHEN job.is_build AND build.id IS NULL THEN
                CASE
                    WHEN EXISTS (SELECT FROM workspace_builds b WHERE b.job_id = r.id) THEN 'locked'
                    ELSE 'no_build'
                END
        END AS obstacle
    FROM requested r
    CROSS JOIN threshold
    LEFT JOIN job ON job.id = r.id
    LEFT JOIN build ON build.job_id = r.id
),

-- Everything that follows hangs on the rows that this update has won. That it looks at
-- completed_at once more, which the lock makes needless, is a second guard.
failed AS (
    UPDATE provisioner_jobs j
    SET
        updated_at = now(),
        started_at = CASE judged.reason WHEN 'pending' THEN now() ELSE j.started_at END,
        completed_at = now(),
        error = judged.error,
        error_code = NULL
    FROM judged
    WHERE judged.obstacle IS NULL
      AND j.id = judged.id
      AND CASE WHEN j.completed_at IS NULL THEN true ELSE false END
    RETURNING
        j.id, j.updated_at, judged.line, judged.build_id, judged.workspace_id, judged.build_number, judged.has_state
),

-- The stage of the newest line, by the index on (job_id, id): no text is read.
staged AS MATERIALIZED (
    SELECT
        failed.id,
        failed.updated_at,
        failed.line,
        coalesce(nullif((
            SELECT l.stage FROM provisioner_job_logs l WHERE l.job_id = failed.id ORDER BY l.id DESC LIMIT 1
        ), ''), 'Unknown') AS stage
    FROM failed
),

-- Ids come from a sequence in the order of this query, created_at follows them.
logged AS (
    INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)
    SELECT
        staged.id,
        now() + added.number * interval '1 millisecond',
        'provisioner_daemon'::log_source,
        'error'::log_level,
        staged.stage,
        added.output
    FROM staged
    CROSS JOIN LATERAL (VALUES
        (0, ''),
        (1, '===================='),
        (2, staged.line),
        (3, '===================='),
        (4, '')
    ) AS added (number, output)
    ORDER BY staged.id, added.number
    RETURNING id, job_id
),

-- A state that is there is never overwritten; without a previous build there
-- is nothing to copy. No state bytes leave the server.
copied AS (
    UPDATE workspace_builds b
    SET provisioner_state = previous.provisioner_state, updated_at = now()
    FROM failed
    JOIN workspace_builds previous
        ON previous.workspace_id = failed.workspace_id AND previous.build_number = failed.build_number - 1
    WHERE b.id = failed.build_id AND NOT failed.has_state
    RETURNING b.job_id, coalesce(octet_length(b.provisioner_state), 0) > 0 AS has_state
)

-- pg_notify delivers with the commit, or never. It has to be in this last
-- query: a CTE that nobody reads is not executed.
SELECT
    judged.id::text,
    CASE WHEN staged.id IS NOT NULL THEN 'terminated' ELSE coalesce(judged.obstacle, 'not_updated') END AS outcome,
    coalesce(judged.type::text, '') AS type,
    coalesce(floor(extract(epoch FROM now() - judged.updated_at)), 0)::bigint AS silent_s,
    coalesce(staged.stage, '') AS stage,
    coalesce(judged.workspace_id::text, '') AS workspace_id,
    coalesce(judged.build_number, 0)::bigint AS build_number,
    CASE WHEN judged.has_state THEN 'kept' WHEN copied.has_state THEN 'copied' ELSE 'none' END AS state,
    coalesce(judged.reason, 'hung') AS reason,
    coalesce((extract(epoch FROM staged.updated_at) * 1000000)::bigint, 0) AS updated_us,
    concat(
--+     workspace.name,
        '') AS workspace,
    concat(
--+     owner.username,
        '') AS owner,
    concat(
--+     template.name,
        '') AS template,
    CASE
        WHEN staged.id IS NOT NULL THEN
            pg_notify(
                'provisioner-log-logs:' || judged.id,
                '{"created_after":' || first_line.id - 1 || ',"end_of_logs":true}'
            )::text
    END AS notified
FROM judged
LEFT JOIN staged ON staged.id = judged.id
LEFT JOIN (SELECT job_id, min(id) AS id FROM logged GROUP BY job_id) AS first_line
    ON first_line.job_id = judged.id
LEFT JOIN copied ON copied.job_id = judged.id
--+ LEFT JOIN workspaces workspace ON workspace.id = judged.workspace_id
--+ LEFT JOIN users owner ON owner.id = workspace.owner_id
--+ LEFT JOIN template_versions version ON version.job_id = judged.id
--+ LEFT JOIN templates template ON template.id = coalesce(workspace.template_id, version.template_id)
