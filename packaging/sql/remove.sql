-- Undoes role.sql and index.sql: removes the detector's role with all of its rights in this database, and its
-- index. Run it with psql as those were run, after the detector is gone. Jobs, logs and builds stay as they are.
--
--     psql --dbname=coder --file=remove.sql
--     psql --dbname=coder --file=remove.sql --set=role=another_name
--
-- If the role has rights in other databases of the server, run it there first.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?role}
\else
    \set role hang_detector
\endif

SET client_min_messages = warning;
DROP INDEX CONCURRENTLY IF EXISTS hang_detector_running_jobs;

-- Only a member of a role may drop what it owns. A superuser is a member of all roles.
SELECT
    count(*) > 0::bigint AS role_is_there,
    count(*) FILTER (WHERE NOT pg_has_role(oid, 'USAGE'::text)) > 0::bigint AS is_stranger
FROM pg_roles
WHERE rolname = :'role' \gset
\if :role_is_there
    BEGIN;
    \if :is_stranger
        GRANT :"role" TO CURRENT_USER;
    \endif
    DROP OWNED BY :"role";
    DROP ROLE :"role";
    COMMIT;
\endif
