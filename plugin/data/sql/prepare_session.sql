-- Sets what the detector needs to know for sure about its own session.
--
-- $1  RunTimeout in milliseconds: bounds a statement on the server even when
--     the detector died and nobody can cancel it
--
-- lock_timeout: rows that somebody else holds are skipped, so only a lock on a
-- whole table (a migration) can be waited for; five seconds, then the next run.
-- read committed: the re-check under the row lock depends on it.
-- plan_cache_mode: a statement is planned once for the session, not for each execution. To plan
-- takes longer than to terminate ten jobs, and no plan would be another one for other jobs. For
-- tables that grow see Connection.h.
-- join_collapse_limit: each statement joins in the order in which it is to be done. To look for a
-- better one takes time at each planning.
-- row_security: a policy that hides rows makes a statement fail. Otherwise it would find nothing
-- hung, and all would seem well.
-- jit: the search over a large table would be compiled each time, for nothing.
-- synchronous_commit: off would let a server that crashes forget what is told to
-- everybody already, and the job would be terminated and told again. local waits
-- for the server's own disk. Whoever chose off does not want to wait for a
-- standby, which may be away; whoever chose more than local gets that.
--
-- One row. Its first column tells whether the role can read whose workspace a job builds: older
-- roles cannot, a database may lack a table, and row level security may hide some.
SELECT
    (
        SELECT count(*) = 10
        FROM (VALUES
            ('workspaces', 'id'), ('workspaces', 'name'), ('workspaces', 'owner_id'), ('workspaces', 'template_id'),
            ('users', 'id'), ('users', 'username'),
            ('templates', 'id'), ('templates', 'name'),
            ('template_versions', 'job_id'), ('template_versions', 'template_id')
        ) AS needed (table_name, column_name)
        JOIN pg_attribute a
            ON a.attrelid = to_regclass(needed.table_name) AND a.attname = needed.column_name
        WHERE NOT a.attisdropped AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
          AND NOT row_security_active(a.attrelid)
    ) AS can_read_names,
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
