-- Says what cancel_jobs.sql would do with jobs. Writes nothing and locks nothing.
--
-- $1 to $4  as in judge_stalled_jobs.sql
--
-- One row for each requested job, with the columns and values of cancel_jobs.sql up to build_number.
WITH requested AS (
    SELECT r.id, r.newest_line, true AS is_ours
    FROM unnest($1::uuid[], $2::bigint[]) AS r (id, newest_line)
),

job AS (
    SELECT j.id, j.type::text AS type, j.started_at, j.canceled_at, j.completed_at, j.updated_at
    FROM requested r
    JOIN provisioner_jobs j ON j.id = r.id
),

--include judge_stalled_jobs.sql

SELECT
    id::text,
    coalesce(verdict, 'canceled') AS outcome,
    coalesce(type, '') AS type,
    coalesce(floor(extract(epoch FROM log_silence)::double precision)::bigint, 0) AS silent_s,
    CASE WHEN verdict IS NULL THEN stage ELSE '' END AS stage,
    coalesce(workspace_id::text, '') AS workspace_id,
    coalesce(build_number, 0)::bigint AS build_number
FROM judged
