-- The bare search for hung jobs.
SELECT count(*) FROM provisioner_jobs
WHERE started_at IS NOT NULL AND completed_at IS NULL AND updated_at <= now() - interval '5 minutes';
