-- Finds what became of jobs whose termination was sent, but whose answer was lost.
--
-- $1  ids of the jobs, uuid[]
-- $2  their updated_at as the search saw it, in the same order, timestamptz[]
-- $3  reasons for a termination, text[]
-- $4  the error of a job for each reason in $3, text[]; % stands for how its worker has ended
-- $5  how the worker of each job in $1 has ended, text[]; empty when that is not known
-- $6, $7  bigint: the time in which the statement was sent and its answer lost, in microseconds since 1970
--
-- One row for each job that is completed, with the columns of terminate_jobs.sql up to updated_at. The outcome
-- is terminated for a job that was completed in that time, with the error that the statement gives it. Any
-- other job was completed by its worker or by another detector.
--
-- The silence counts from the heartbeat that the search saw. A build whose state equals that of the previous
-- build counts as copied. `heartbeat` and `completed` have limits, because an infinite time cannot be
-- subtracted.
SELECT
    j.id::text,
    CASE
        WHEN ours.reason IS NOT NULL AND j.completed_at
            BETWEEN to_timestamp($6::double precision / 1000000::double precision)
                AND to_timestamp($7::double precision / 1000000::double precision)
        THEN 'terminated'
        ELSE 'completed'
    END AS outcome,
    j.type::text AS type,
    floor(extract(epoch FROM times.completed - times.heartbeat)::double precision)::bigint AS silent_s,
    coalesce(nullif((
        SELECT l.stage::text FROM provisioner_job_logs l WHERE l.job_id = j.id ORDER BY l.id DESC LIMIT 1
    ), ''), 'Unknown') AS stage,
    coalesce(b.workspace_id::text, '') AS workspace_id,
    coalesce(b.build_number, 0)::bigint AS build_number,
    CASE
        WHEN coalesce(octet_length(b.provisioner_state), 0) = 0 THEN 'none'
        WHEN b.provisioner_state = previous.provisioner_state THEN 'copied'
        ELSE 'kept'
    END AS state,
    coalesce(ours.reason, 'hung') AS reason,
    j.completed_at::text AS updated_at
FROM unnest($1::uuid[], $2::timestamptz[], $5::text[]) AS asked (id, seen_at, worker_end)
JOIN provisioner_jobs j ON j.id = asked.id
CROSS JOIN LATERAL (
    SELECT
        greatest(least(j.completed_at, now()), now() - interval '1000 years') AS completed,
        greatest(least(asked.seen_at, now()), now() - interval '1000 years') AS heartbeat
) AS times
LEFT JOIN unnest($3::text[], $4::text[]) AS ours (reason, error)
    ON replace(ours.error, '%'::text, asked.worker_end) = j.error::text
LEFT JOIN workspace_builds b ON b.job_id = j.id AND j.type::text = 'workspace_build'
LEFT JOIN workspace_builds previous
    ON previous.workspace_id = b.workspace_id
    AND previous.build_number = nullif(b.build_number, '-2147483648'::integer) - 1
WHERE j.completed_at IS NOT NULL
