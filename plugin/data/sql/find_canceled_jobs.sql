-- Finds what became of jobs that were canceled as stalled.
--
-- $1  ids of the jobs, uuid[]
-- $2  the id of the newest line in the log of each job before the cancel, in the same order, bigint[]
-- $3  regular expression of a detector's error (Wording.h)
--
-- One row for each of these jobs: its id; its workspace; for how many seconds it has been canceled, -1 when it is
-- not; after how many seconds it was completed, -1 while it runs; for how many seconds it has been silent; whether
-- its log has a line of the same instant as the cancel, as cancel_jobs.sql writes them together; and whether a
-- detector has completed it. Times have limits, because infinite ones cannot be subtracted.
SELECT
    j.id::text,
    coalesce(b.workspace_id::text, '') AS workspace_id,
    coalesce(floor(extract(epoch FROM now() - times.canceled)::double precision)::bigint, (-1)::bigint) AS canceled_s,
    coalesce(floor(extract(epoch FROM times.completed - times.canceled)::double precision)::bigint, (-1)::bigint)
        AS completed_s,
    floor(extract(epoch FROM now() - times.heartbeat)::double precision)::bigint AS silent_s,
    EXISTS (
        SELECT
        FROM provisioner_job_logs l
        WHERE l.job_id = j.id AND l.id > asked.newest_line AND l.created_at = j.canceled_at
    ) AS is_ours,
    coalesce(j.error::text ~ $3::text, false) AS is_terminated
FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, newest_line)
JOIN provisioner_jobs j ON j.id = asked.id
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN j.canceled_at IS NOT NULL THEN greatest(least(j.canceled_at, now()), now() - interval '1000 years')
        END AS canceled,
        -- By two clocks, a job may be completed before it was canceled.
        CASE
            WHEN j.completed_at IS NOT NULL
                THEN greatest(least(j.completed_at, now()), least(j.canceled_at, now()), now() - interval '1000 years')
        END AS completed,
        greatest(least(j.updated_at, now()), now() - interval '1000 years') AS heartbeat
) AS times
LEFT JOIN workspace_builds b ON b.job_id = j.id AND j.type::text = 'workspace_build'
