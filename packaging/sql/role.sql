-- Makes the role that the detector connects as. The role may do what the detector does, and nothing
-- else. Run it with psql, in the database of Coder, as a superuser, or as a role that owns Coder's tables and
-- has CREATEROLE. It may be run again: each time the role's privileges on these tables become exactly those
-- below.
--
--     psql --dbname=coder --file=role.sql
--     psql --dbname=coder --file=role.sql --set=role=another_name
--
-- The role has no password; \password hang_detector in psql gives it one.
--
-- Each operator and function fits its arguments exactly, so that none that somebody made in another schema
-- is a better match and runs with the rights of the operator.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?role}
\else
    \set role hang_detector
\endif

-- One line says what is missing.
\set VERBOSITY terse
SELECT
    CASE
        WHEN to_regclass('provisioner_jobs'::text) IS NULL THEN
            'this database has no table provisioner_jobs; name the database of Coder, as in psql --dbname=coder'
        WHEN me.rolsuper THEN ''
        WHEN NOT me.rolcreaterole AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') THEN
            'run it as a superuser, or as the owner of the tables of Coder with CREATEROLE: '
                || me.rolname::text || ' may not make a role'
        WHEN others.tables IS NOT NULL THEN
            'run it as a superuser or as the owner of the tables of Coder: '
                || me.rolname::text || ' does not own ' || others.tables
        ELSE ''
    END AS problem
FROM pg_roles me
CROSS JOIN (
    SELECT string_agg(c.relname::text, ', '::text) AS tables
    FROM pg_catalog.unnest('{provisioner_jobs,provisioner_job_logs,workspace_builds,provisioner_daemons,workspaces,users,'
        'templates,template_versions}'::text[]) AS needed (name)
    JOIN pg_class c ON c.oid = to_regclass(needed.name)::oid
    WHERE NOT pg_has_role(c.relowner, 'USAGE'::text)
) AS others
WHERE me.rolname = current_user \gset
SELECT :'problem'::text <> '' AS has_problem \gset
\if :has_problem
    SELECT set_config('hang_detector.problem'::text, :'problem'::text, false) AS problem \gset
    DO $$BEGIN RAISE EXCEPTION '%', current_setting('hang_detector.problem'::text); END$$;
\endif

BEGIN;

SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS role_is_missing \gset
\if :role_is_missing
    CREATE ROLE :"role" LOGIN;
\endif

-- An earlier version or an operator may have granted more.
REVOKE ALL ON provisioner_jobs, provisioner_job_logs, workspace_builds FROM :"role";

SELECT
    relnamespace::regnamespace AS schema,
    pg_get_serial_sequence('provisioner_job_logs'::text, 'id'::text) AS log_sequence
FROM pg_class
WHERE oid = 'provisioner_jobs'::regclass::oid \gset

GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
GRANT USAGE ON SCHEMA :schema TO :"role";

-- To find hung and pending jobs, and to lock and fail them. A row lock needs the right to update. A
-- pending job also gets a start time. The error shows later which jobs were terminated: to release
-- their allocations, and to find jobs that were alive. The system column xmin shows whether a job's
-- row was written since the detector looked last.
GRANT
    SELECT (id, type, started_at, canceled_at, completed_at, updated_at, error, xmin),
    UPDATE (started_at, completed_at, updated_at, error, error_code)
    ON provisioner_jobs TO :"role";

-- Where Coder has an index on job_status, the search reads only the running jobs. Stalled jobs are canceled; where
-- logs can overflow, a job goes on without lines after that.
GRANT UPDATE (canceled_at) ON provisioner_jobs TO :"role";
SELECT
    count(*) FILTER (WHERE attname = 'job_status') = 1::bigint AS has_status,
    count(*) FILTER (WHERE attname = 'logs_overflowed') = 1::bigint AS has_overflow
FROM pg_attribute
WHERE attrelid = 'provisioner_jobs'::regclass::oid \gset
\if :has_status
    GRANT SELECT (job_status) ON provisioner_jobs TO :"role";
\endif
\if :has_overflow
    GRANT SELECT (logs_overflowed) ON provisioner_jobs TO :"role";
\endif

-- To read the stage and when a line was written, and to append lines. The text of a log cannot be read.
GRANT
    SELECT (id, job_id, created_at, stage),
    INSERT (job_id, created_at, source, level, stage, output)
    ON provisioner_job_logs TO :"role";
GRANT USAGE ON SEQUENCE :log_sequence TO :"role";

-- To copy the state of the previous build.
GRANT
    SELECT (id, job_id, workspace_id, build_number, provisioner_state),
    UPDATE (provisioner_state, updated_at)
    ON workspace_builds TO :"role";

-- To find the jobs that a daemon has taken, for marks with provisioner_daemon= and for the log. Without the table
-- such marks mean nothing.
GRANT SELECT (worker_id) ON provisioner_jobs TO :"role";
SELECT to_regclass('provisioner_daemons'::text) IS NOT NULL AS has_daemons \gset
\if :has_daemons
    REVOKE ALL ON provisioner_daemons FROM :"role";
    GRANT SELECT (id, name) ON provisioner_daemons TO :"role";
    SELECT EXISTS (
        SELECT
        FROM pg_attribute
        WHERE attrelid = 'provisioner_daemons'::regclass::oid AND attname = 'last_seen_at'
    ) AS has_last_seen \gset
    \if :has_last_seen
        GRANT SELECT (last_seen_at) ON provisioner_daemons TO :"role";
    \endif
\endif

-- To log the names of workspace, owner and template. Without these tables or rights the log has no
-- names.
SELECT
    bool_and(to_regclass(name) IS NOT NULL) AS has_names
FROM (VALUES ('workspaces'), ('users'), ('templates'), ('template_versions')) AS tables (name) \gset
\if :has_names
    REVOKE ALL ON workspaces, users, templates, template_versions FROM :"role";
    GRANT SELECT (id, name, owner_id, template_id) ON workspaces TO :"role";
    GRANT SELECT (id, username) ON users TO :"role";
    GRANT SELECT (id, name) ON templates TO :"role";
    GRANT SELECT (job_id, template_id) ON template_versions TO :"role";
\endif

COMMIT;

-- A policy may hide rows from the role. The detector then refuses to work, as it would miss jobs.
SELECT coalesce(string_agg(c.relname::text, ', '::text), '') AS tables_with_policies
FROM pg_class c
JOIN pg_roles r ON r.rolname = :'role'
WHERE c.oid IN (
    'provisioner_jobs'::regclass::oid, 'provisioner_job_logs'::regclass::oid, 'workspace_builds'::regclass::oid)
  AND c.relrowsecurity
  AND NOT (r.rolbypassrls OR r.rolsuper) \gset
SELECT :'tables_with_policies'::text <> '' AS has_policies \gset
\if :has_policies
    \warn 'WARNING: row level security would hide rows of' :tables_with_policies 'from' :role '- the detector will not work'
    \warn 'HINT: let a superuser run: ALTER ROLE' :"role" 'BYPASSRLS'
\endif

-- What somebody creates there can be called by any session whose statements do not fit exactly.
SELECT coalesce(string_agg(DISTINCT n.nspname::text, ', '::text), '') AS open_schemas
FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname IN ('public', :'schema') AND a.grantee = 0::oid AND a.privilege_type = 'CREATE' \gset
SELECT :'open_schemas'::text <> '' AS has_open_schemas \gset
\if :has_open_schemas
    \warn 'WARNING: everybody may create functions and operators in schema' :open_schemas
    \warn 'HINT: let its owner run: REVOKE CREATE ON SCHEMA' :open_schemas 'FROM PUBLIC'
\endif

\echo The role :role has its rights. If it needs a password: '\\password' :role
