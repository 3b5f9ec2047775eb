-- Finds what became of jobs that were canceled as stalled.
--
-- $1  ids of the jobs, uuid[]
-- $2  the id of the newest line in the log of each job before the cancel, in the same order, bigint[]
--
-- One row for each of these jobs: its id; for how many seconds it has been canceled, -1 when it is not; after how many
-- seconds it was completed, -1 while it runs; for how many seconds it has been silent; and whether its log has a line
-- of the same instant as the cancel, as cancel_jobs.sql writes them together. Times have limits, because infinite ones
-- cannot be subtracted.
SELECT
    j.id::text,
    coalesce(floor(extract(epoch FROM now() - times.canceled)::double precision)::bigint, (-1)::bigint) AS canceled_s,
    coalesce(floor(extract(epoch FROM times.completed - times.canceled)::double precision)::bigint, (-1)::bigint)
        AS completed_s,
    floor(extract(epoch FROM now() - times.heartbeat)::double precision)::bigint AS silent_s,
    EXISTS (
        SELECT
        FROM provisioner_job_logs l
        WHERE l.job_id = j.id AND l.id > asked.newest_line AND l.created_at = j.canceled_at
    ) AS is_ours
FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, newest_line)
JOIN provisioner_jobs j ON j.id = asked.id
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN j.canceled_at IS NOT NULL THEN greatest(least(j.canceled_at, now()), now() - interval '1000 years') END
            AS canceled,
        -- By two clocks, a job may be completed before it was canceled.
        CASE WHEN j.completed_at IS NOT NULL THEN greatest(least(j.completed_at, now()), j.canceled_at, now() - interval '1000 years') END
            AS completed,
        greatest(least(j.updated_at, now()), now() - interval '1000 years') AS heartbeat
) AS times
