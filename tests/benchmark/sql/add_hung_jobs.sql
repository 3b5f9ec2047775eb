-- Adds hung jobs, as many as the setting benchmark.count says. Eight of ten are workspace
-- builds, each with a previous build of its workspace that has a state of 10 kB, which
-- has to be copied. Each job has 20 lines in its log, which lie between those of the others.
CREATE TEMPORARY TABLE fresh AS
SELECT
    number,
    number % 10 < 8 AS is_build,
    gen_random_uuid() AS job_id,
    gen_random_uuid() AS previous_job_id,
    gen_random_uuid() AS workspace_id
FROM generate_series(1, current_setting('benchmark.count')::integer) AS number;

CREATE TEMPORARY TABLE state AS
SELECT kind, convert_to(string_agg(
    '{"type": "resource", "name": "' || md5(random()::text) || '", "id": "' || md5(random()::text) || '"}, ',
    ''), 'UTF8') AS bytes
FROM generate_series(0, 9) AS kind, generate_series(1, 95)
GROUP BY kind;

INSERT INTO provisioner_jobs (
    id, created_at, updated_at, started_at, completed_at, organization_id, initiator_id, file_id,
    provisioner, storage_method, type, worker_id)
SELECT
    previous_job_id, now() - interval '2 hours', now() - interval '1 hour', now() - interval '2 hours',
    now() - interval '1 hour', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
    'terraform', 'file', 'workspace_build', gen_random_uuid()
FROM fresh
WHERE is_build;

INSERT INTO provisioner_jobs (
    id, created_at, updated_at, started_at, organization_id, initiator_id, file_id,
    provisioner, storage_method, type, worker_id)
SELECT
    job_id, now() - interval '20 minutes', now() - interval '10 minutes', now() - interval '20 minutes',
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'terraform', 'file',
    CASE WHEN is_build THEN 'workspace_build' ELSE 'template_version_import' END::provisioner_job_type,
    gen_random_uuid()
FROM fresh;

INSERT INTO workspace_builds (
    id, created_at, updated_at, workspace_id, template_version_id, build_number, transition, initiator_id,
    provisioner_state, job_id)
SELECT
    gen_random_uuid(), now() - interval '2 hours', now() - interval '1 hour', workspace_id, gen_random_uuid(),
    1, 'start', gen_random_uuid(), state.bytes, previous_job_id
FROM fresh
JOIN state ON state.kind = number % 10
WHERE is_build;

INSERT INTO workspace_builds (
    id, created_at, updated_at, workspace_id, template_version_id, build_number, transition, initiator_id, job_id)
SELECT
    gen_random_uuid(), now() - interval '20 minutes', now() - interval '20 minutes', workspace_id,
    gen_random_uuid(), 2, 'stop', gen_random_uuid(), job_id
FROM fresh
WHERE is_build;

INSERT INTO provisioner_job_logs (job_id, created_at, source, level, stage, output)
SELECT
    job_id, now() - interval '15 minutes', 'provisioner', 'info',
    CASE WHEN line < 10 THEN 'Setting up' ELSE 'Starting workspace' END, 'line ' || line || ' ' || repeat('x', 80)
FROM generate_series(1, 20) AS line, fresh
ORDER BY line, number;

DROP TABLE fresh, state;
