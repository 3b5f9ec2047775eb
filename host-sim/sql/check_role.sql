-- What the detector's role may do, beside what packaging/sql/role.sql grants, and which tables and columns
-- there are. Reads only the catalog, so it needs no right on a table.
--
-- One row for each finding:
--   kind     missing: tables and columns that are not there; lacking: rights that the role lacks; beyond: rights
--            that role.sql does not grant; power: what the role is beside that; hidden: tables of which row level
--            security hides rows from it; read-only: the session cannot write; role: its name; schema: the year
--   feature  for missing, lacking and hidden, what does not work then: read (all), write (all but a dry run), or one of
--            the others below
--   what     the names, with commas
--
-- Each operator and function fits its arguments exactly, so that none that somebody made in another schema is a
-- better match.
WITH needed (feature, privilege, relation, names) AS (VALUES
    ('read', 'SELECT', 'provisioner_jobs', '{id,type,started_at,canceled_at,completed_at,updated_at,error,xmin}'),
    ('read', 'SELECT', 'provisioner_job_logs', '{id,job_id,stage}'),
    ('read', 'SELECT', 'workspace_builds', '{id,job_id,workspace_id,build_number,provisioner_state}'),
    ('write', 'UPDATE', 'provisioner_jobs', '{started_at,completed_at,updated_at,error,error_code}'),
    ('write', 'INSERT', 'provisioner_job_logs', '{job_id,created_at,source,level,stage,output}'),
    ('write', 'UPDATE', 'workspace_builds', '{provisioner_state,updated_at}'),
    ('status', 'SELECT', 'provisioner_jobs', '{job_status}'),
    ('stalled', 'UPDATE', 'provisioner_jobs', '{canceled_at}'),
    ('stalled', 'SELECT', 'provisioner_jobs', '{logs_overflowed}'),
    ('stalled', 'SELECT', 'provisioner_job_logs', '{created_at}'),
    ('daemons', 'SELECT', 'provisioner_jobs', '{worker_id}'),
    ('daemons', 'SELECT', 'provisioner_daemons', '{id,name}'),
    ('seen', 'SELECT', 'provisioner_daemons', '{last_seen_at}'),
    ('names', 'SELECT', 'workspaces', '{id,name,owner_id,template_id}'),
    ('names', 'SELECT', 'users', '{id,username}'),
    ('names', 'SELECT', 'templates', '{id,name}'),
    ('names', 'SELECT', 'template_versions', '{job_id,template_id}')
),

columns AS MATERIALIZED (
    SELECT
        needed.feature,
        needed.privilege,
        needed.relation,
        name.name,
        pg_catalog.to_regclass(needed.relation::text)::oid AS table_id,
        a.attnum
    FROM needed
    CROSS JOIN LATERAL pg_catalog.unnest(needed.names::text[]) AS name (name)
    LEFT JOIN pg_catalog.pg_attribute a
        ON a.attrelid = pg_catalog.to_regclass(needed.relation::text)::oid
        AND a.attname = name.name::name
        AND NOT a.attisdropped
),

tables AS MATERIALIZED (
    SELECT DISTINCT relation, table_id FROM columns WHERE table_id IS NOT NULL
),

me AS MATERIALIZED (
    SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user
),

coder AS MATERIALIZED (
    SELECT n.oid, n.nspname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass('provisioner_jobs'::text)::oid
),

-- Without USAGE no table of a schema can be seen.
closed AS MATERIALIZED (
    SELECT n.nspname
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'provisioner_jobs'::name AND NOT EXISTS (SELECT FROM coder)
      AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'::text)
),

-- A superuser may do everything, which is said once.
beyond AS (
    SELECT
        rights.privilege || ' of ' || tables.relation AS what,
        pg_catalog.string_agg(a.attname::text, ', '::text ORDER BY a.attnum) AS names,
        count(*) AS number
    FROM tables
    CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) AS rights (privilege)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = tables.table_id AND a.attnum > 0::smallint AND NOT a.attisdropped
    WHERE pg_catalog.has_column_privilege(tables.table_id, a.attnum, rights.privilege::text)
      AND NOT EXISTS (
          SELECT
          FROM columns
          WHERE columns.table_id = tables.table_id AND columns.privilege = rights.privilege AND columns.attnum = a.attnum
      )
    GROUP BY rights.privilege, tables.relation
    UNION ALL
    SELECT rights.privilege || ' of ' || tables.relation, '', 0
    FROM tables
    CROSS JOIN (VALUES ('DELETE'), ('TRUNCATE'), ('TRIGGER')) AS rights (privilege)
    WHERE pg_catalog.has_table_privilege(tables.table_id, rights.privilege::text)
    UNION ALL
    SELECT 'rights on other tables', pg_catalog.string_agg(c.relname::text, ', '::text ORDER BY c.relname), count(*)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND c.relname::text NOT IN (SELECT relation FROM needed)
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND c.oid NOT IN (SELECT table_id FROM tables)
      AND (pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'::text)
          OR pg_catalog.has_table_privilege(c.oid, 'DELETE, TRUNCATE'::text))
      -- Those of extensions are for everybody.
      AND NOT EXISTS (
          SELECT
          FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_class'::regclass::oid AND d.objid = c.oid AND d.deptype = 'e'
      )
    HAVING count(*) > 0
    UNION ALL
    SELECT 'UPDATE of sequences', pg_catalog.string_agg(c.relname::text, ', '::text ORDER BY c.relname), count(*)
    FROM pg_catalog.pg_class c
    WHERE CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'UPDATE'::text) ELSE false END
    HAVING count(*) > 0
    UNION ALL
    SELECT 'CREATE on the schema ' || coder.nspname::text, '', 0
    FROM coder
    WHERE pg_catalog.has_schema_privilege(coder.oid, 'CREATE'::text)
    UNION ALL
    SELECT 'CREATE on the database', '', 0
    WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'::text)
)

SELECT
    'missing' AS kind,
    feature,
    pg_catalog.string_agg(CASE WHEN table_id IS NULL THEN relation ELSE relation || '.' || name END, ', ') AS what
FROM (
    SELECT DISTINCT
        CASE feature WHEN 'write' THEN 'read' ELSE feature END AS feature,
        relation,
        table_id,
        CASE WHEN table_id IS NOT NULL THEN name END AS name
    FROM columns
    -- Only some schemas have these two columns.
    WHERE attnum IS NULL AND NOT (table_id IS NOT NULL AND name IN ('job_status', 'logs_overflowed'))
      AND NOT (table_id IS NULL AND feature = 'seen')
      AND NOT EXISTS (SELECT FROM closed)
) AS missing
WHERE feature <> 'status'
GROUP BY feature

UNION ALL
SELECT 'lacking', feature, pg_catalog.string_agg(what, ', ' ORDER BY what)
FROM (
    SELECT
        feature,
        privilege || ' (' || pg_catalog.string_agg(name, ', ' ORDER BY attnum) || ') ON ' || relation AS what
    FROM columns
    WHERE attnum IS NOT NULL AND NOT pg_catalog.has_column_privilege(table_id, attnum, privilege::text)
    GROUP BY feature, privilege, relation
    UNION ALL
    SELECT 'write', 'USAGE ON SEQUENCE ' || sequence.name
    FROM columns
    CROSS JOIN LATERAL pg_catalog.pg_get_serial_sequence(columns.relation::text, columns.name::text) AS sequence (name)
    WHERE columns.relation = 'provisioner_job_logs' AND columns.name = 'id' AND columns.attnum IS NOT NULL
      AND sequence.name IS NOT NULL AND NOT pg_catalog.has_sequence_privilege(sequence.name, 'USAGE'::text)
    UNION ALL
    SELECT 'read', 'USAGE ON SCHEMA ' || nspname::text FROM closed
) AS lacking
GROUP BY feature

UNION ALL
SELECT 'beyond', '', CASE WHEN number > 3 THEN what || ' (' || number::text || ' of them)'
    WHEN number > 0 THEN what || ' (' || names || ')' ELSE what END
FROM beyond
CROSS JOIN me
WHERE NOT me.rolsuper

UNION ALL
SELECT 'power', '', power.what
FROM me
CROSS JOIN LATERAL (VALUES
    (me.rolsuper, 'is a superuser'),
    (me.rolcreaterole AND NOT me.rolsuper, 'may make roles (CREATEROLE)'),
    (me.rolcreatedb AND NOT me.rolsuper, 'may make databases (CREATEDB)'),
    (me.rolreplication AND NOT me.rolsuper, 'may copy the whole server (REPLICATION)'),
    (
        me.rolbypassrls AND NOT me.rolsuper AND NOT EXISTS (
            SELECT FROM tables JOIN pg_catalog.pg_class c ON c.oid = tables.table_id WHERE c.relrowsecurity
        ),
        'may bypass row level security (BYPASSRLS)'
    )
) AS power (is_so, what)
WHERE power.is_so

UNION ALL
SELECT 'power', '', 'is a member of ' || pg_catalog.string_agg(role.rolname::text, ', '::text ORDER BY role.rolname)
FROM me
JOIN pg_catalog.pg_auth_members member ON member.member = me.oid
JOIN pg_catalog.pg_roles role ON role.oid = member.roleid
HAVING count(*) > 0

UNION ALL
SELECT 'hidden', feature, pg_catalog.string_agg(DISTINCT relation, ', ')
FROM columns
WHERE feature IN ('read', 'daemons', 'names') AND pg_catalog.row_security_active(table_id)
  AND (feature <> 'daemons' OR relation = 'provisioner_daemons')
GROUP BY feature

UNION ALL
SELECT 'read-only', '', CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'the server is a standby' ELSE
    'the sessions of this role are read-only' END
WHERE pg_catalog.current_setting('transaction_read_only'::text) = 'on'

UNION ALL
SELECT 'schema', '', CASE WHEN count(*) = 1 THEN '2026' ELSE '2023' END
FROM columns
WHERE name = 'job_status' AND attnum IS NOT NULL

UNION ALL
SELECT 'role', '', current_user::text
