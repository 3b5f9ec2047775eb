-- Sets what the detector needs to know for sure about its own session.
--
-- $1  RunTimeout in milliseconds: ends a statement on the server even when the detector died and
--     cannot cancel it
--
-- lock_timeout: rows that another session holds are skipped. So only a lock on a whole table, as of a
-- migration, is waited for, and the next run tries again.
-- read committed: the second look under the row lock depends on it.
-- plan_cache_mode: a statement is planned once for the session, not for each execution. To plan
-- takes longer than to terminate ten jobs, and no plan would be another one for other jobs. For
-- tables that grow see Connection.h.
-- join_collapse_limit: each statement joins in the order in which it is to be done. To look for a
-- better one takes time at each planning.
-- row_security: a policy that hides rows makes a statement fail. Otherwise it would find nothing
-- hung, and all would seem well.
-- jit: the search over a large table would be compiled each time, for nothing.
-- synchronous_commit: with off a server that crashes forgets what was notified already, and the
-- job would be terminated and notified again. local waits for the server's own disk. Operators
-- who chose off do not want to wait for a standby, which may be away. A stricter choice stays.
--
-- One row. Its first column says whether the table has the column job_status, and the role can read it.
SELECT
    EXISTS (
        SELECT
        FROM pg_attribute a
        WHERE a.attrelid = to_regclass('provisioner_jobs') AND a.attname = 'job_status'
          AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    ) AS can_read_status,
    set_config('statement_timeout', $1::text, false),
    set_config('lock_timeout', '5s', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('join_collapse_limit', '1', false),
    set_config('row_security', 'off', false),
    set_config('jit', 'off', false),
    set_config(
        'synchronous_commit',
        coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'local'),
        false)
