-- Finds what became of jobs whose termination was sent, but whose answer was lost.
--
-- $1  ids of the jobs, uuid[]
-- $2  their updated_at as the search saw it, in the same order, bigint[]: microseconds since 1970
-- $3  reasons for a termination, text[]
-- $4  the error of a job for each reason in $3, text[]
-- $5, $6  bigint: the time in which the statement was sent and its answer lost, in microseconds since 1970
--
-- One row for each job that is completed, with the columns of terminate_jobs.sql up to updated_us. The outcome
-- is terminated for a job that was completed in that time, with the error that the statement gives it. Any
-- other job was completed by its worker or by another detector.
--
-- The silence counts from the heartbeat that the search saw. A build whose state equals that of the previous
-- build counts as copied.
SELECT
    j.id::text,
    CASE
        WHEN ours.reason IS NOT NULL AND completed.us BETWEEN $5::bigint AND $6::bigint THEN 'terminated'
        ELSE 'completed'
    END AS outcome,
    j.type::text,
    (completed.us - asked.seen_us) / 1000000 AS silent_s,
    coalesce(nullif((
        SELECT l.stage FROM provisioner_job_logs l WHERE l.job_id = j.id ORDER BY l.id DESC LIMIT 1
    ), ''), 'Unknown') AS stage,
    coalesce(b.workspace_id::text, '') AS workspace_id,
    coalesce(b.build_number, 0)::bigint AS build_number,
    CASE
        WHEN coalesce(octet_length(b.provisioner_state), 0) = 0 THEN 'none'
        WHEN b.provisioner_state = previous.provisioner_state THEN 'copied'
        ELSE 'kept'
    END AS state,
    coalesce(ours.reason, 'hung') AS reason,
    completed.us AS updated_us
FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, seen_us)
JOIN provisioner_jobs j ON j.id = asked.id
CROSS JOIN LATERAL (SELECT (extract(epoch FROM j.completed_at) * 1000000)::bigint AS us) AS completed
LEFT JOIN unnest($3::text[], $4::text[]) AS ours (reason, error) ON ours.error = j.error
LEFT JOIN workspace_builds b ON b.job_id = j.id AND j.type = 'workspace_build'
LEFT JOIN workspace_builds previous
    ON previous.workspace_id = b.workspace_id AND previous.build_number = b.build_number - 1
WHERE j.completed_at IS NOT NULL
