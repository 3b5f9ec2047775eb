-- Finds the jobs that are hung at this moment, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for so long is hung
-- $2  look-ahead in seconds: one that will be hung so soon, unless it reports, is silent
-- $3  how many jobs are chosen at most
-- $4  uuid[]: jobs that are chosen only when places are left, as they failed before
--
-- One row for each job chosen: its id, how many jobs are running, silent and hung in all,
-- each of them including the next, and the milliseconds until the first of those that are
-- not hung will be, -1 when there is none. One row without an id when none is chosen. The
-- choice is random when there are more, so that a job that can never be terminated does
-- not starve the others.
--
-- The condition of the first query is word by word that of packaging/sql/index.sql.
WITH running AS MATERIALIZED (
    SELECT
        id,
        -- A worker's clock may be ahead.
        least(updated_at, now()) AS reported_at,
        updated_at <= now() - make_interval(secs => $1) AS is_hung
    FROM provisioner_jobs
    WHERE started_at IS NOT NULL AND completed_at IS NULL
),

counted AS (
    SELECT
        count(*) AS running,
        count(*) FILTER (
            WHERE reported_at <= now() - make_interval(secs => $1) + make_interval(secs => $2)
        ) AS silent,
        count(*) FILTER (WHERE is_hung) AS hung,
        min(reported_at) FILTER (WHERE NOT is_hung) + make_interval(secs => $1) - now() AS until_next
    FROM running
),

chosen AS (
    SELECT id
    FROM running
    WHERE is_hung
    ORDER BY id IN (SELECT unnest($4::uuid[])), random()
    LIMIT $3
)

SELECT
    coalesce(chosen.id::text, '') AS id,
    counted.running,
    counted.silent,
    counted.hung,
    coalesce(ceil(extract(epoch FROM counted.until_next) * 1000)::bigint, -1) AS next_ms
FROM counted
LEFT JOIN chosen ON true
