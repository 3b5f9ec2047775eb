-- Finds the running jobs that provisioner daemons have taken.
--
-- $1  names of daemons, bytea[]. Bytes, as a name in the comment of a Slurm job may have no meaning in the
--     encoding of the database
--
-- One row for each running job of these daemons: the columns of marked_job.sql, then the name. Names are
-- unique only within an organization and an owner. A name that several daemons have says nothing, so their jobs
-- get no row. That condition is a CASE, as the planner expects that a comparison of a count holds for one name,
-- and would read all running jobs once for each.
WITH running AS (
--include running_jobs.sql
),

daemon AS (
    SELECT (pg_catalog.array_agg(d.id))[1] AS id, d.name::text AS name
    FROM provisioner_daemons d
    WHERE convert_to(d.name::text, 'SQL_ASCII'::name) IN (SELECT pg_catalog.unnest($1::bytea[]))
    GROUP BY d.name::text
    HAVING CASE WHEN count(*) = 1::bigint THEN true ELSE false END
)

SELECT
--include marked_job.sql
    , daemon.name
FROM running
JOIN provisioner_jobs j ON j.id = running.id
JOIN daemon ON daemon.id = j.worker_id
WHERE j.started_at IS NOT NULL
