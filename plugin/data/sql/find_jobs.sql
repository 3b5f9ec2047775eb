-- Finds the jobs that are hung or pending now, and chooses some of them.
--
-- $1  threshold in seconds: a running job that has been silent for this long is hung
-- $2  look-ahead in seconds: a job that will be hung within this time, unless it reports, is silent
-- $3  how many jobs are chosen at most
-- $4  uuid[]: jobs that are chosen only when places are left: an earlier run could not terminate them, or has
--     logged them
-- $5  threshold in seconds: a job that never started and was not updated for this long is pending;
--     0: the search does not look for such jobs
-- $6  uuid[]: jobs that were terminated
-- $7  timestamptz[]: their updated_at after the termination, in the same order
-- $8  pg_snapshot of an earlier search in this session; '1:1:' when there is none
-- $9  bigint: the time of that search, in microseconds since 1970
--
-- One row for each chosen job: its id and its updated_at. The other columns are the same in each row. When
-- no job is chosen, there is one row without an id.
--   running, silent, hung   numbers of jobs; running includes silent, and silent includes hung
--   next_ms                 milliseconds until the next job becomes hung or pending; -1 when there is no
--                           such job
--   oldest_hung_s           the longest silence of a hung job in seconds, or 0
--   pending                 number of pending jobs
--   are_terminated_touched  whether one of the terminated jobs was updated after its termination
--   doubtful                number of jobs that are old enough to be silent, but were written since the
--                           earlier search; without an earlier search, every job counts as written
--   reported_ms             milliseconds since the newest updated_at of the jobs that reported since the
--                           earlier search; -1 when none did. Canceled jobs do not count, because a cancel
--                           writes the row, too
--   snapshot, searched_us   the snapshot and the time of this search, for the next one
--
-- Coder sets updated_at by its own clock, which may be behind. So an old updated_at is not enough: a job is
-- silent only if its row was not written since the earlier search. That is so when the snapshot of that
-- search shows the transaction that wrote the row (xmin).
--
-- `heartbeat` is updated_at within limits: the clock that sets it may be ahead, and an infinite time cannot be
-- subtracted.
--
-- When there are more jobs than places, the choice is random. Otherwise jobs that can never be terminated
-- could take all places of every run. Hung and pending jobs get half of the places each. Places that one kind
-- does not need go to the other.
--
-- The part `running` (running_jobs.sql) reads the running jobs once. There may be thousands, so little is
-- done for each row. The part `waiting` uses Coder's own index on the jobs that never started.
WITH since AS MATERIALIZED (
    SELECT
        now() - $1::double precision * interval '1 second' AS hung,
        now() - ($1::double precision - $2::double precision) * interval '1 second' AS silent,
        now() - $5::double precision * interval '1 second' AS pending,
        now() - interval '1000 years' AS longest_ago,
        to_timestamp($9::double precision / 1000000::double precision) AS last_search,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction
),

running AS (
--include running_jobs.sql
),

-- A transaction number has 32 bits in the row, and 64 in a snapshot. So it is extended here.
compared AS (
    SELECT
        id,
        updated_at,
        canceled_at,
        greatest(least(updated_at, now()), longest_ago) AS heartbeat,
        updated_at <= hung AS is_past_hung,
        updated_at <= silent AS is_past_silent,
        CASE
            WHEN updated_at >= last_search THEN true
            ELSE NOT pg_visible_in_snapshot(
                (next_transaction - ((next_transaction - writer::text::bigint) & 4294967295))::text::xid8,
                $8::pg_snapshot)
        END AS has_reported
    FROM since
    CROSS JOIN running
    -- Makes the server compute the columns above only once for each row.
    OFFSET 0
),

counted AS (
    SELECT
        count(*) AS running,
        count(*) FILTER (WHERE is_past_silent AND NOT has_reported) AS silent,
        count(*) FILTER (WHERE is_past_hung AND NOT has_reported) AS hung,
        count(*) FILTER (WHERE is_past_silent AND has_reported) AS doubtful,
        min(heartbeat) FILTER (WHERE NOT is_past_hung) + $1::double precision * interval '1 second' - now()
            AS until_next,
        now() - max(heartbeat) FILTER (WHERE has_reported AND canceled_at IS NULL) AS reported,
        now() - min(heartbeat) FILTER (WHERE is_past_hung AND NOT has_reported) AS oldest,
        pg_catalog.array_agg(id) FILTER (WHERE is_past_hung AND NOT has_reported) AS hung_ids,
        pg_catalog.array_agg(updated_at) FILTER (WHERE is_past_hung AND NOT has_reported) AS hung_updates
    FROM compared
),

waiting AS (
    SELECT
        count(*) FILTER (WHERE updated_at <= since.pending) AS pending,
        min(least(updated_at, now())) FILTER (WHERE updated_at > since.pending)
            + $5::double precision * interval '1 second' - now() AS until_next,
        pg_catalog.array_agg(id) FILTER (WHERE updated_at <= since.pending) AS pending_ids,
        pg_catalog.array_agg(updated_at) FILTER (WHERE updated_at <= since.pending) AS pending_updates
    FROM since
    CROSS JOIN provisioner_jobs
    WHERE $5::double precision > 0::double precision AND started_at IS NULL AND canceled_at IS NULL AND completed_at IS NULL
),

-- Draws at most $3 jobs of each kind.
drawn AS (
    (
        SELECT id, updated_at, 'hung' AS kind, id IN (SELECT pg_catalog.unnest($4::uuid[])) AS comes_last, random() AS lot
        FROM counted
        CROSS JOIN unnest(hung_ids, hung_updates) AS hung (id, updated_at)
        ORDER BY comes_last, lot
        LIMIT $3
    )
    UNION ALL
    (
        SELECT id, updated_at, 'pending' AS kind, id IN (SELECT pg_catalog.unnest($4::uuid[])) AS comes_last, random() AS lot
        FROM waiting
        CROSS JOIN unnest(pending_ids, pending_updates) AS pending (id, updated_at)
        ORDER BY comes_last, lot
        LIMIT $3
    )
),

-- Hung and pending jobs take turns. Which kind comes first is random, because there may be only one place.
chosen AS (
    SELECT id, updated_at
    FROM (
        SELECT id, updated_at, comes_last, row_number() OVER (PARTITION BY kind, comes_last ORDER BY lot) AS turn
        FROM drawn
    ) AS in_turn
    ORDER BY comes_last, turn, random()
    LIMIT $3
)

SELECT
    coalesce(chosen.id::text, '') AS id,
    coalesce(chosen.updated_at::text, '') AS updated_at,
    counted.running,
    counted.silent,
    counted.hung,
    coalesce(
        ceil(extract(epoch FROM least(counted.until_next, waiting.until_next))::double precision
            * 1000::double precision)::bigint,
        -1) AS next_ms,
    coalesce(floor(extract(epoch FROM counted.oldest)::double precision)::bigint, 0) AS oldest_hung_s,
    waiting.pending,
    EXISTS (
        SELECT
        FROM unnest($6::uuid[], $7::timestamptz[]) AS terminated (id, updated_at)
        JOIN provisioner_jobs j ON j.id = terminated.id
        WHERE j.updated_at <> terminated.updated_at
    ) AS are_terminated_touched,
    counted.doubtful,
    coalesce(
        floor(extract(epoch FROM counted.reported)::double precision * 1000::double precision)::bigint,
        -1) AS reported_ms,
    pg_current_snapshot()::text AS snapshot,
    floor(extract(epoch FROM now())::double precision * 1000000::double precision)::bigint AS searched_us
FROM counted
CROSS JOIN waiting
LEFT JOIN chosen ON true
