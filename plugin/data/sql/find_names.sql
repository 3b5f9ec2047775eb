-- Finds the names of the workspace, its owner and the template of each job. The role may lack the rights to
-- read these tables, and a database may lack the tables.
--
-- $1  ids of the jobs, uuid[]
-- $2  the workspaces that they build, in the same order, uuid[]; null for a job that builds none
--
-- One row for each job: its id, and the names of its workspace, of the workspace's owner, of the template and of
-- the daemon that took it, and how many seconds ago Coder's server saw that daemon last. A name is empty where
-- there is none, and is cut after 256 characters; -1 when that daemon is unknown.
SELECT
    job.id::text,
    coalesce(left(workspace.name::text, 256), '') AS workspace,
    coalesce(left(owner.username::text, 256), '') AS owner,
    coalesce(left(template.name::text, 256), '') AS template,
    coalesce(left(daemon.name, 256), '') AS daemon,
    coalesce(daemon.seen_s, (-1)::bigint) AS daemon_seen_s
FROM unnest($1::uuid[], $2::uuid[]) AS job (id, workspace_id)
LEFT JOIN workspaces workspace ON workspace.id = job.workspace_id
LEFT JOIN users owner ON owner.id = workspace.owner_id
LEFT JOIN template_versions version ON version.job_id = CASE WHEN job.workspace_id IS NULL THEN job.id END
LEFT JOIN templates template ON template.id = coalesce(workspace.template_id, version.template_id)
LEFT JOIN LATERAL (
--include no_daemon.sql
) AS daemon ON true
