-- Finds the jobs that are hung at this moment, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for so long is hung
-- $2  look-ahead in seconds: one that will be hung so soon, unless it reports, is silent
-- $3  how many jobs are chosen at most
-- $4  uuid[]: jobs that are chosen only when places are left, as they failed before
--
-- One row for each job chosen: its id, how many jobs are running, silent and hung in all,
-- each of them including the next, the milliseconds until the first of those that are
-- not hung will be, -1 when there is none, and the seconds for which the first of those that
-- are hung has been silent, 0 when there is none. One row without an id when none is chosen. The
-- choice is random when there are more, so that a job that can never be terminated does
-- not starve the others.
--
-- The condition of the second query is word by word that of packaging/sql/index.sql. It is
-- the only one that reads the table, once, and what it does for each row is little, as
-- there may be thousands that are running.
WITH since AS MATERIALIZED (
    SELECT
        now() - make_interval(secs => $1) AS hung,
        now() - make_interval(secs => $1) + make_interval(secs => $2) AS silent
),

counted AS (
    SELECT
        count(*) AS running,
        count(*) FILTER (WHERE updated_at <= (SELECT silent FROM since)) AS silent,
        count(*) FILTER (WHERE updated_at <= (SELECT hung FROM since)) AS hung,
        -- A worker's clock may be ahead.
        min(least(updated_at, now())) FILTER (WHERE updated_at > (SELECT hung FROM since))
            + make_interval(secs => $1) - now() AS until_next,
        min(updated_at) AS oldest,
        array_agg(id) FILTER (WHERE updated_at <= (SELECT hung FROM since)) AS hung_ids
    FROM provisioner_jobs
    WHERE started_at IS NOT NULL AND completed_at IS NULL
),

chosen AS (
    SELECT id
    FROM counted
    CROSS JOIN unnest(hung_ids) AS id
    ORDER BY id IN (SELECT unnest($4::uuid[])), random()
    LIMIT $3
)

SELECT
    coalesce(chosen.id::text, '') AS id,
    counted.running,
    counted.silent,
    counted.hung,
    coalesce(ceil(extract(epoch FROM counted.until_next) * 1000)::bigint, -1) AS next_ms,
    CASE
        WHEN counted.hung > 0 THEN floor(extract(epoch FROM now() - counted.oldest))::bigint
        ELSE 0
    END AS oldest_hung_s
FROM counted
LEFT JOIN chosen ON true
