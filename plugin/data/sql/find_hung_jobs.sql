-- Finds the jobs that are hung or pending at this moment, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for so long is hung
-- $2  look-ahead in seconds: one that will be hung so soon, unless it reports, is silent
-- $3  how many jobs are chosen at most
-- $4  uuid[]: jobs that are chosen only when places are left, as they failed or were told before
-- $5  threshold in seconds: a job that was never started and not touched for so long is pending;
--     0: none is, and such jobs are not looked for
-- $6  uuid[]: jobs that are watched, as they were terminated
-- $7  bigint[]: their updated_at in the same order, in microseconds since 1970
--
-- One row for each job chosen: its id, how many jobs are running, silent and hung in all,
-- each of them including the next, the milliseconds until the first of those that are
-- neither hung nor pending will be, -1 when there is none, the seconds for which the first of
-- those that are hung has been silent, 0 when there is none, how many jobs are pending in all, and
-- whether somebody has updated one of the watched jobs since.
-- One row without an id when none is chosen. The choice is random when there are more, so that a
-- job that can never be terminated does not starve the others. Hung and pending jobs get a half
-- each, and what one of them does not need goes to the other.
--
-- The condition of the second query is word by word that of packaging/sql/index.sql. It is
-- the only one that reads the table's running jobs, once, and what it does for each row is little,
-- as there may be thousands that are running. The third one goes by Coder's own index on what was
-- never started.
WITH since AS MATERIALIZED (
    SELECT
        now() - make_interval(secs => $1) AS hung,
        now() - make_interval(secs => $1) + make_interval(secs => $2) AS silent,
        now() - make_interval(secs => $5) AS pending
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

waiting AS (
    SELECT
        count(*) FILTER (WHERE updated_at <= (SELECT pending FROM since)) AS pending,
        min(least(updated_at, now())) FILTER (WHERE updated_at > (SELECT pending FROM since))
            + make_interval(secs => $5) - now() AS until_next,
        array_agg(id) FILTER (WHERE updated_at <= (SELECT pending FROM since)) AS pending_ids
    FROM provisioner_jobs
    WHERE $5 > 0 AND started_at IS NULL AND completed_at IS NULL
),

-- No more of each kind than there are places.
drawn AS (
    (
        SELECT id, 'hung' AS kind, id IN (SELECT unnest($4::uuid[])) AS comes_last, random() AS lot
        FROM counted
        CROSS JOIN unnest(hung_ids) AS id
        ORDER BY comes_last, lot
        LIMIT $3
    )
    UNION ALL
    (
        SELECT id, 'pending' AS kind, id IN (SELECT unnest($4::uuid[])) AS comes_last, random() AS lot
        FROM waiting
        CROSS JOIN unnest(pending_ids) AS id
        ORDER BY comes_last, lot
        LIMIT $3
    )
),

-- The kinds take turns. Who has the first is random, too: there may be one place only.
chosen AS (
    SELECT id
    FROM (
        SELECT id, comes_last, row_number() OVER (PARTITION BY kind, comes_last ORDER BY lot) AS turn
        FROM drawn
    ) AS in_turn
    ORDER BY comes_last, turn, random()
    LIMIT $3
)

SELECT
    coalesce(chosen.id::text, '') AS id,
    counted.running,
    counted.silent,
    counted.hung,
    coalesce(ceil(extract(epoch FROM least(counted.until_next, waiting.until_next)) * 1000)::bigint, -1) AS next_ms,
    CASE
        WHEN counted.hung > 0 THEN floor(extract(epoch FROM now() - counted.oldest))::bigint
        ELSE 0
    END AS oldest_hung_s,
    waiting.pending,
    EXISTS (
        SELECT
        FROM unnest($6::uuid[], $7::bigint[]) AS watched (id, updated_us)
        JOIN provisioner_jobs j ON j.id = watched.id
        WHERE (extract(epoch FROM j.updated_at) * 1000000)::bigint <> watched.updated_us
    ) AS are_watched_touched
FROM counted
CROSS JOIN waiting
LEFT JOIN chosen ON true
