-- The newest line in the log of a running job j, and for how long the job has written none. One row, also for an empty
-- log: then that counts from the start of the job. The index on (job_id, id) finds the lines. A silence that is
-- shorter than j.least_silence need not be exact.
--
-- The clock of the worker's machine stamps the lines, and Coder's server stamps the start. If the worker's clock
-- is behind, its newest line seems too old. But the first line comes right after the start, and the time from the
-- first line to the newest is right by any clock that is not set meanwhile. So the shorter one of both silences
-- counts, and never more than the time since the start. The first line is looked up only if the newest line is old.
-- Times have limits, because infinite ones cannot be subtracted.
SELECT
    coalesce(newest.id, 0::bigint) AS newest_line,
    coalesce(nullif(newest.stage::text, ''), 'Unknown') AS stage,
    least(
        now() - newest.written_at,
        now() - start.at - (newest.written_at - first.written_at),
        now() - start.at
    ) AS log_silence
FROM (SELECT greatest(least(j.started_at, now()), now() - interval '1000 years') AS at) AS start
LEFT JOIN LATERAL (
    SELECT l.id, l.stage, greatest(least(l.created_at, now()), now() - interval '1000 years') AS written_at
    FROM provisioner_job_logs l
    WHERE l.job_id = j.id
    ORDER BY l.id DESC
    LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT greatest(least(l.created_at, now()), now() - interval '1000 years') AS written_at
    FROM provisioner_job_logs l
    WHERE l.job_id = j.id AND newest.written_at <= now() - j.least_silence
    ORDER BY l.id
    LIMIT 1
) AS first ON true
