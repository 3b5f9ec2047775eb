-- Sets what the detector needs to know for sure about its own session.
--
-- $1  RunTimeout in milliseconds: bounds a statement on the server even when
--     the detector died and nobody can cancel it
--
-- lock_timeout: rows that somebody else holds are skipped, so only a lock on a
-- whole table (a migration) can be waited for; five seconds, then the next run.
-- read committed: the re-check under the row lock depends on it.
-- jit: the search over a large table would be compiled each time, for nothing.
-- synchronous_commit: off would let a server that crashes forget what is told to
-- everybody already, and the job would be terminated and told again. local waits
-- for the server's own disk. Whoever chose off does not want to wait for a
-- standby, which may be away; whoever chose more than local gets that.
SELECT
    set_config('statement_timeout', $1::text, false),
    set_config('lock_timeout', '5s', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('jit', 'off', false),
    set_config(
        'synchronous_commit',
        coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'local'),
        false)
