-- Finds the jobs that are hung at this moment, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for so long is hung
-- $2  how many jobs are chosen at most
-- $3  uuid[]: jobs that are chosen only when places are left, as they failed before
--
-- One row for each job chosen: its id, the number of all hung jobs, and that of all
-- running ones, hung or not. One row without an id when none is chosen. The choice is
-- random when there are more, so that a job that can never be terminated does not
-- starve the others.
WITH running AS MATERIALIZED (
    SELECT id, updated_at <= now() - make_interval(secs => $1) AS is_hung
    FROM provisioner_jobs
    WHERE started_at IS NOT NULL
      AND completed_at IS NULL
),

total AS (
    SELECT count(*) FILTER (WHERE is_hung) AS hung, count(*) AS running
    FROM running
),

chosen AS (
    SELECT id
    FROM running
    WHERE is_hung
    ORDER BY id IN (SELECT unnest($3::uuid[])), random()
    LIMIT $2
)

SELECT coalesce(chosen.id::text, '') AS id, total.hung, total.running
FROM total
LEFT JOIN chosen ON true
