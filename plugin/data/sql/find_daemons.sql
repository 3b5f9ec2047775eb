-- Finds provisioner daemons by their names.
--
-- $1  names of daemons, bytea[]. Bytes, as a name in the comment of a Slurm job may have no meaning in the
--     encoding of the database
--
-- One row for each of these names that exactly one daemon has: the id of the daemon, and the name. Names are
-- unique only within an organization and an owner, so a name of several daemons says nothing.
SELECT (pg_catalog.array_agg(d.id))[1]::text AS id, d.name::text AS name
FROM provisioner_daemons d
WHERE convert_to(d.name::text, 'SQL_ASCII'::name) OPERATOR(pg_catalog.=) ANY ($1::bytea[])
GROUP BY d.name::text
HAVING count(*) = 1::bigint
