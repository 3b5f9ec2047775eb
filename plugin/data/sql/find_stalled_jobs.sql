-- Finds the jobs that report but do not move, and chooses some of them.
--
-- $1  threshold in seconds: a job that has run, and has written no line into its log, for this long is stalled
-- $2  seconds: a job without a heartbeat for this long does not report, and cannot write a line either
-- $3  how many jobs are chosen at most
-- $4  uuid[]: jobs that are chosen only when places are left: an earlier run could not cancel them, or has logged them
--
-- One row for each chosen job: its id and the id of the newest line in its log, 0 without one. The other columns
-- are the same in each row: the number of stalled jobs, and of those that have been silent for half of the
-- threshold. When no job is chosen, there is one row without an id.
--
-- A job that is canceled already is not stalled. Of the others, those that have run for long enough are looked up in
-- the table of logs: one look in an index for each, and two more for one that is silent there. The choice is random, so
-- that jobs that can never be canceled do not take all places of every run.
WITH since AS MATERIALIZED (
    SELECT
        now() - $1::double precision * interval '500 milliseconds' AS half,
        now() - $2::double precision * interval '1 second' AS reported,
        $1::double precision * interval '1 second' AS threshold,
        $1::double precision * interval '500 milliseconds' AS half_threshold
),

running AS (
--include running_jobs.sql
),

old AS MATERIALIZED (
    SELECT running.id, running.started_at, since.threshold, since.half_threshold AS least_silence
    FROM since
    CROSS JOIN running
    WHERE canceled_at IS NULL AND started_at <= since.half AND updated_at > since.reported
),

quiet AS MATERIALIZED (
    SELECT j.id, log.newest_line, log.log_silence >= j.threshold AS is_stalled
    FROM old j
    CROSS JOIN LATERAL (
--include log_silence.sql
    ) AS log
    CROSS JOIN LATERAL (
--include log_overflow.sql
    ) AS overflow
    WHERE CASE WHEN log.log_silence >= j.least_silence THEN overflow.has_overflowed IS NOT TRUE ELSE false END
),

chosen AS (
    SELECT id, newest_line
    FROM quiet
    WHERE is_stalled
    ORDER BY id IN (SELECT pg_catalog.unnest($4::uuid[])), random()
    LIMIT $3
)

SELECT
    coalesce(chosen.id::text, '') AS id,
    coalesce(chosen.newest_line, 0::bigint) AS newest_line,
    counted.stalled,
    counted.quiet
FROM (SELECT count(*) FILTER (WHERE is_stalled) AS stalled, count(*) AS quiet FROM quiet) AS counted
LEFT JOIN chosen ON true
