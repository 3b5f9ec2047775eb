-- Adds jobs that run and report, as many as the setting benchmark.count says. Their last
-- heartbeat is still to come, so that none hangs while the benchmark lasts.
INSERT INTO provisioner_jobs (
    id, created_at, updated_at, started_at, organization_id, initiator_id, file_id,
    provisioner, storage_method, type, worker_id)
SELECT
    gen_random_uuid(), now() - interval '1 minute', now() + interval '1 day', now() - interval '1 minute',
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'terraform', 'file', 'template_version_import',
    gen_random_uuid()
FROM generate_series(1, current_setting('benchmark.count')::integer);
