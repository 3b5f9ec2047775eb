-- Who has terminated jobs within the last seven days.
--
-- One row for each name that a detector gives itself in the errors of its jobs: the name, how many jobs, and how
-- long ago the last one was, in seconds.
SELECT detector, count(*) AS jobs, floor(extract(epoch FROM now() - max(completed_at)))::bigint AS last_s
FROM (
    SELECT
        completed_at,
        substring(error FROM '^Coder: Build has been detected as .* has been terminated by (hang detector|the reaper)[.]$') AS detector
    FROM provisioner_jobs
    WHERE completed_at > now() - interval '7 days' AND isfinite(completed_at)
) AS jobs
WHERE detector IS NOT NULL
GROUP BY detector
