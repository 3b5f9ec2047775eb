-- Finds the session that holds the advisory lock of a job. Any role of the database may take such a lock. The
-- other lock, that of the job's row, shows no holder here.
--
-- $1  the lock's key, bigint
--
-- One row, or none: the session's process, its role and its application_name.
SELECT
    l.pid::bigint,
    coalesce(left(a.usename::text, 64), '') AS role,
    coalesce(left(a.application_name, 64), '') AS application
FROM pg_locks l
JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.classid = (($1::bigint >> 32) & 4294967295)::oid
  AND l.objid = ($1::bigint & 4294967295)::oid
LIMIT 1
