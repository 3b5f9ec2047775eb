-- Says what terminate_jobs.sql would do with jobs. Writes nothing and locks nothing, so it also
-- does not see what somebody else holds, or what a trigger would do.
--
-- $1  ids of the jobs, uuid[]
-- $2  their updated_at as the search saw it, in the same order, bigint[]: microseconds since 1970
-- $3  threshold in seconds: a running job that reported within it would be left alone
-- $4  threshold in seconds: a job that was never started would be left alone if it was touched
--     within it, and always if this is 0
--
-- One row for each job asked for, with the columns of terminate_jobs.sql up to the template and the
-- same values, but updated_us, which is 0; its outcome is terminated, missing, not_started, completed,
-- reported or no_build. Lines that begin with --+ are what they are there. What decides is written as
-- it is there, and a test compares the two in every state of a job.
WITH threshold AS (
    SELECT
        now() - make_interval(secs => $3) AS hung_since,
        CASE WHEN $4 > 0 THEN now() - make_interval(secs => $4) END AS pending_since
),

job AS MATERIALIZED (
    SELECT
        r.id AS requested_id, r.seen_us,
        j.id, j.type, j.type = 'workspace_build' AS is_build, j.completed_at, j.updated_at,
        (extract(epoch FROM j.updated_at) * 1000000)::bigint AS updated_us,
        CASE WHEN j.started_at IS NULL AND j.canceled_at IS NULL THEN 'pending' ELSE 'hung' END AS reason
    FROM unnest($1::uuid[], $2::bigint[]) AS r (id, seen_us)
    LEFT JOIN provisioner_jobs j ON j.id = r.id
),

judged AS MATERIALIZED (
    SELECT
        job.requested_id AS id, job.type, job.updated_at,
        CASE WHEN job.id IS NULL THEN 'hung' ELSE job.reason END AS reason,
        build.workspace_id, build.build_number,
        coalesce(octet_length(build.provisioner_state), 0) > 0 AS has_state,
        CASE
            WHEN job.id IS NULL THEN 'missing'
            WHEN job.completed_at IS NOT NULL THEN 'completed'
            WHEN job.reason = 'pending' AND (job.updated_at <= threshold.pending_since) IS NOT TRUE
                THEN 'not_started'
            WHEN job.reason = 'hung' AND (job.updated_at > threshold.hung_since OR job.updated_us <> job.seen_us)
                THEN 'reported'
            WHEN job.is_build AND build.id IS NULL THEN 'no_build'
            ELSE 'terminated'
        END AS outcome
    FROM job
    CROSS JOIN threshold
    LEFT JOIN workspace_builds build ON build.job_id = job.id AND job.is_build
)

SELECT
    judged.id::text,
    judged.outcome,
    coalesce(judged.type::text, '') AS type,
    coalesce(floor(extract(epoch FROM now() - judged.updated_at)), 0)::bigint AS silent_s,
    CASE
        WHEN judged.outcome = 'terminated' THEN
            coalesce(nullif((
                SELECT l.stage FROM provisioner_job_logs l WHERE l.job_id = judged.id ORDER BY l.id DESC LIMIT 1
            ), ''), 'Unknown')
        ELSE ''
    END AS stage,
    coalesce(judged.workspace_id::text, '') AS workspace_id,
    coalesce(judged.build_number, 0)::bigint AS build_number,
    CASE
        WHEN judged.has_state THEN 'kept'
        WHEN judged.outcome = 'terminated' AND octet_length(previous.provisioner_state) > 0 THEN 'copied'
        ELSE 'none'
    END AS state,
    judged.reason,
    0 AS updated_us,
    concat(
--+     workspace.name,
        '') AS workspace,
    concat(
--+     owner.username,
        '') AS owner,
    concat(
--+     template.name,
        '') AS template
FROM judged
LEFT JOIN workspace_builds previous
    ON previous.workspace_id = judged.workspace_id AND previous.build_number = judged.build_number - 1
--+ LEFT JOIN workspaces workspace ON workspace.id = judged.workspace_id
--+ LEFT JOIN users owner ON owner.id = workspace.owner_id
--+ LEFT JOIN template_versions version ON version.job_id = judged.id
--+ LEFT JOIN templates template ON template.id = coalesce(workspace.template_id, version.template_id)
