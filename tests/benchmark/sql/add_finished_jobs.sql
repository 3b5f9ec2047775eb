-- Adds finished jobs, as many as the setting benchmark.count says, without builds and
-- logs. Their ids follow each other, as random ones would take far longer to add.
INSERT INTO provisioner_jobs (
    id, created_at, updated_at, started_at, completed_at, organization_id, initiator_id, file_id,
    provisioner, storage_method, type, worker_id)
SELECT
    ('00000000-0000-4000-8000-' || lpad(to_hex(there.jobs + number), 12, '0'))::uuid,
    now() - interval '2 days', now() - interval '1 day', now() - interval '2 days', now() - interval '1 day',
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'terraform', 'file', 'template_version_import',
    gen_random_uuid()
FROM generate_series(1, current_setting('benchmark.count')::integer) AS number,
    (SELECT current_setting('benchmark.finished')::bigint AS jobs) AS there;
