-- Sets what the detector needs to know for sure about its own session.
--
-- $1  RunTimeout in milliseconds: bounds a statement on the server even when
--     the detector died and nobody can cancel it
--
-- lock_timeout: rows that somebody else holds are skipped, so only a lock on a
-- whole table (a migration) can be waited for; five seconds, then the next run.
-- read committed: the re-check under the row lock depends on it.
-- jit: the search over a large table would be compiled each time, for nothing.
SELECT
    set_config('statement_timeout', $1::text, false),
    set_config('lock_timeout', '5s', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('jit', 'off', false)
