-- Finds the jobs that are hung or pending at this moment, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for so long is hung
-- $2  look-ahead in seconds: one that will be hung so soon, unless it reports, is silent
-- $3  how many jobs are chosen at most
-- $4  uuid[]: jobs that are chosen only when places are left: an earlier run could do nothing for them, or
--     has logged them
-- $5  threshold in seconds: a job that was never started and not touched for so long is pending;
--     0: none is, and such jobs are not looked for
-- $6  uuid[]: jobs that were terminated
-- $7  bigint[]: their updated_at as the termination left it, in the same order, in microseconds since 1970
-- $8  pg_snapshot: that of an earlier search in this session; 1:1: when there is none
-- $9  bigint: the time of that search, in microseconds since 1970
--
-- One row for each job chosen: its id and its updated_at in microseconds since 1970. The other
-- columns are the same in each row, and there is one row without an id when no job is chosen:
--   running, silent, hung   how many jobs are so in all; each includes the next
--   next_ms                 milliseconds until the first of the jobs that are neither hung nor
--                           pending will be; -1 when there is none
--   oldest_hung_s           seconds for which the first of the hung jobs has been silent, or 0
--   pending                 how many jobs are pending in all
--   are_terminated_touched  whether one of the jobs that were terminated was updated since
--   doubtful                how many jobs would be silent, but were written since the earlier search,
--                           or there was none
--   reported_ms             milliseconds since the newest updated_at of the jobs that reported since
--                           the earlier search; -1 when none did. Canceled jobs do not count, as a
--                           cancel writes the row, too
--   snapshot, searched_us   of this search, for the next one
--
-- Coder stamps updated_at by its own clock, which may be behind. So a job is silent only if its
-- row, too, was not written since the earlier search: if that search has seen the transaction that
-- wrote it (xmin).
--
-- The choice is random when there are more, so that a job that can never be terminated does not
-- starve the others. Hung and pending jobs get a half each, and what one of them does not need goes
-- to the other.
--
-- The part `running` (running_jobs.sql) reads the running jobs, once. Little is done for each row, as there
-- may be thousands. The part `waiting` goes by Coder's own index on what was never started.
WITH since AS MATERIALIZED (
    SELECT
        now() - make_interval(secs => $1) AS hung,
        now() - make_interval(secs => $1) + make_interval(secs => $2) AS silent,
        now() - make_interval(secs => $5) AS pending,
        to_timestamp($9::double precision / 1000000) AS last_search,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction
),

running AS (
--include running_jobs.sql
),

-- The transaction's number has 32 bits in the row, and 64 in a snapshot.
compared AS (
    SELECT
        id,
        updated_at,
        canceled_at,
        CASE
            WHEN updated_at >= (SELECT last_search FROM since) THEN true
            ELSE NOT pg_visible_in_snapshot(
                (
                    (SELECT next_transaction FROM since)
                    - (((SELECT next_transaction FROM since) - writer::text::bigint) & 4294967295)
                )::text::xid8,
                $8::pg_snapshot)
        END AS has_reported
    FROM running
    -- So that the above is computed once for each row.
    OFFSET 0
),

judged AS (
    SELECT
        compared.*,
        updated_at <= (SELECT silent FROM since) AS is_old,
        updated_at <= (SELECT silent FROM since) AND NOT has_reported AS is_silent,
        updated_at <= (SELECT hung FROM since) AND NOT has_reported AS is_hung
    FROM compared
),

counted AS (
    SELECT
        count(*) AS running,
        count(*) FILTER (WHERE is_silent) AS silent,
        count(*) FILTER (WHERE is_hung) AS hung,
        count(*) FILTER (WHERE is_old AND has_reported) AS doubtful,
        -- A worker's clock may be ahead.
        min(least(updated_at, now())) FILTER (WHERE updated_at > (SELECT hung FROM since))
            + make_interval(secs => $1) - now() AS until_next,
        now() - max(least(updated_at, now())) FILTER (WHERE has_reported AND canceled_at IS NULL) AS reported,
        now() - min(updated_at) FILTER (WHERE is_hung) AS oldest,
        array_agg(id) FILTER (WHERE is_hung) AS hung_ids
    FROM judged
),

waiting AS (
    SELECT
        count(*) FILTER (WHERE updated_at <= (SELECT pending FROM since)) AS pending,
        min(least(updated_at, now())) FILTER (WHERE updated_at > (SELECT pending FROM since))
            + make_interval(secs => $5) - now() AS until_next,
        array_agg(id) FILTER (WHERE updated_at <= (SELECT pending FROM since)) AS pending_ids
    FROM provisioner_jobs
    WHERE $5 > 0 AND started_at IS NULL AND canceled_at IS NULL AND completed_at IS NULL
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

-- The kinds take turns. Which has the first is random, too: there may be one place only.
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
    coalesce(job.id::text, '') AS id,
    coalesce((extract(epoch FROM job.updated_at) * 1000000)::bigint, 0) AS updated_us,
    counted.running,
    counted.silent,
    counted.hung,
    coalesce(ceil(extract(epoch FROM least(counted.until_next, waiting.until_next)) * 1000)::bigint, -1) AS next_ms,
    coalesce(floor(extract(epoch FROM counted.oldest))::bigint, 0) AS oldest_hung_s,
    waiting.pending,
    EXISTS (
        SELECT
        FROM unnest($6::uuid[], $7::bigint[]) AS terminated (id, updated_us)
        JOIN provisioner_jobs j ON j.id = terminated.id
        WHERE (extract(epoch FROM j.updated_at) * 1000000)::bigint <> terminated.updated_us
    ) AS are_terminated_touched,
    counted.doubtful,
    coalesce(floor(extract(epoch FROM counted.reported) * 1000)::bigint, -1) AS reported_ms,
    pg_current_snapshot()::text AS snapshot,
    floor(extract(epoch FROM now()) * 1000000)::bigint AS searched_us
FROM counted
CROSS JOIN waiting
LEFT JOIN (chosen JOIN provisioner_jobs job ON job.id = chosen.id) ON true
