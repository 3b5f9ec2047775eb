-- Sets the options of the session on which the detector depends.
--
-- $1  RunTimeout in milliseconds: the server ends a statement after this time, even when the detector has
--     died and cannot cancel it
--
-- lock_timeout: a statement skips rows that another session has locked. So it waits only for a lock on a
-- whole table, such as that of a migration. After this time the next run tries again.
-- read committed: the check of each job under its row lock depends on it, because it has to see the newest
-- committed row.
-- plan_cache_mode: the server plans a statement once for the session, not for each execution. Planning takes
-- longer than the termination of ten jobs, and other jobs would get the same plan. For tables that grow see
-- Connection.h.
-- join_collapse_limit: each statement has its joins in the order in which they are to be done. To look for a
-- better order takes time at each planning.
-- row_security: a policy that hides rows makes a statement fail. Otherwise the search would find no hung job,
-- and all would seem well.
-- TimeZone, DateStyle: a time that this session writes as text is read right by a later one.
-- idle_session_timeout: the session is idle between two runs. PostgreSQL 13 does not have this option.
-- client_min_messages: the detector reads no notices, of which a trigger may send any number.
-- jit: the server would compile the search over a large table each time, for no gain.
-- synchronous_commit: off becomes local, and any other value stays. With off, a server that crashes can lose
-- a termination that was notified already. Then the job would be terminated and notified again. local waits
-- for the server's own disk, but not for a standby, which may be away. Operators who chose off do not want to
-- wait for a standby.
--
-- One row. The first column says whether the search can go by the column job_status: an index begins with
-- it, and the role may read it. The second column says whether the role may read which daemon took a job, and
-- the third one when a daemon was seen last, which servers before 2024 do not record. The fourth column is the year of
-- the schema: 2026 where jobs have a status, else 2023.
SELECT
    EXISTS (
        SELECT
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = to_regclass('provisioner_jobs'::text)::oid AND i.indisvalid AND i.indpred IS NULL
          AND a.attname = 'job_status' AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    ) AS can_search_by_status,
    readable.daemons = 3::bigint AS can_read_daemons,
    readable.last_seen = 1::bigint AS can_read_last_seen,
    CASE
        WHEN EXISTS (
            SELECT
            FROM pg_attribute a
            WHERE a.attrelid = to_regclass('provisioner_jobs'::text)::oid AND a.attname = 'job_status'
        ) THEN '2026'
        ELSE '2023'
    END AS schema,
    pg_catalog.set_config('statement_timeout', $1::text, false),
    pg_catalog.set_config('lock_timeout', '5s', false),
    pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
    pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false),
    pg_catalog.set_config('join_collapse_limit', '1', false),
    pg_catalog.set_config('row_security', 'off', false),
    pg_catalog.set_config('client_min_messages', 'error', false),
    CASE
        WHEN pg_catalog.current_setting('idle_session_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('idle_session_timeout', '0', false)
    END,
    pg_catalog.set_config('TimeZone', 'UTC', false),
    pg_catalog.set_config('DateStyle', 'ISO', false),
    pg_catalog.set_config('jit', 'off', false),
    pg_catalog.set_config(
        'synchronous_commit',
        coalesce(nullif(pg_catalog.current_setting('synchronous_commit'), 'off'), 'local'),
        false)
FROM (
    SELECT
        count(*) FILTER (WHERE a.attname <> 'last_seen_at') AS daemons,
        count(*) FILTER (WHERE a.attname = 'last_seen_at') AS last_seen
    FROM pg_attribute a
    WHERE (
        a.attrelid = to_regclass('provisioner_jobs'::text)::oid AND a.attname = 'worker_id'
        OR a.attrelid = to_regclass('provisioner_daemons'::text)::oid
           AND (a.attname = 'id' OR a.attname = 'name' OR a.attname = 'last_seen_at')
    ) AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
) AS readable
