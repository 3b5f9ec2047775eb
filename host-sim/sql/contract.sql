-- The contract of a termination. The tables hold jobs as they were. The view compares them with the jobs as
-- they are: each is untouched, or terminated exactly by the contract, or something in between.
CREATE SCHEMA remembered

CREATE TABLE provisioner_jobs (LIKE public.provisioner_jobs INCLUDING INDEXES)
CREATE TABLE provisioner_job_logs (LIKE public.provisioner_job_logs INCLUDING INDEXES)
CREATE TABLE workspace_builds (LIKE public.workspace_builds INCLUDING INDEXES)

-- One row.
CREATE TABLE settings (
    -- Columns of provisioner_jobs that others change meanwhile. They are not compared.
    changed_by_workers text[] NOT NULL,
    -- No job was terminated before.
    began_at timestamptz NOT NULL DEFAULT now()
)

-- How jobs are terminated: one job of its own, those that were never started, if there is a row for them, and
-- others.
CREATE TABLE terms (
    job_id uuid,
    is_pending boolean NOT NULL,
    -- A job is terminated that was silent for so long.
    threshold interval NOT NULL,
    -- The third line in its log.
    line text NOT NULL,
    -- One of them is the error of the job.
    errors text[] NOT NULL
)

-- Jobs that must not change any more. A job that was terminated has the payload of its notification; a job
-- that was remembered as completed has none.
CREATE TABLE settled (id uuid PRIMARY KEY, payload text)

CREATE VIEW outcome AS
SELECT
    was.id,
    -- The payload of the notification that the followers of the log have to receive.
    '{"created_after":' || new_log.first_line - 1 || ',"end_of_logs":true}' AS payload,
    look.has_only_reported,
    look.has_only_reported
        AND ('updated_at' = ANY (changed_by_workers) OR job.updated_at = was.updated_at) AS is_untouched,
    -- The promises of a termination that do not hold, each with what was found instead; {} when all hold.
    (
        SELECT coalesce(jsonb_object_agg(promise, found), '{}')
        FROM (VALUES
            ('failed',
                concat_ws(', ', 'error: ' || job.error, 'code: ' || job.error_code,
                    'completed before: ' || was.completed_at),
                was.completed_at IS NULL AND job.error = ANY (term.errors) AND job.error_code IS NULL),
            ('completed at one instant after the threshold',
                concat_ws(', ', 'started: ' || job.started_at, 'updated: ' || job.updated_at,
                    'completed: ' || job.completed_at),
                job.updated_at = job.completed_at
                AND (NOT term.is_pending OR job.started_at = job.completed_at)
                -- What is committed before the snapshot of a look may have begun after its now().
                AND job.completed_at BETWEEN greatest(was.updated_at + term.threshold, began_at)
                    AND now() + interval '1 second'),
            ('still canceled or not', concat('canceled: ', job.canceled_at),
                job.canceled_at IS NOT DISTINCT FROM was.canceled_at),
            ('other columns of the job', to_jsonb(job)::text,
                to_jsonb(job) - term.changed = to_jsonb(was) - term.changed),
            ('earlier lines', 'others', keeps_lines),
            ('five lines', coalesce(new_log.lines::text, 'none'),
                new_log.lines = (
                    SELECT array_agg(concat_ws('|', 'provisioner_daemon', 'error',
                        coalesce(nullif(last.stage, ''), 'Unknown'),
                        number * interval '1 millisecond', output) ORDER BY number)
                    FROM (VALUES
                        (0, ''),
                        (1, '===================='),
                        (2, term.line),
                        (3, '===================='),
                        (4, '')
                    ) AS line (number, output))),
            ('other columns of the build', coalesce(to_jsonb(build)::text, 'no build'),
                to_jsonb(build) - '{updated_at,provisioner_state}'::text[]
                    IS NOT DISTINCT FROM to_jsonb(was_build) - '{updated_at,provisioner_state}'::text[]),
            ('state of the build',
                concat_ws(', ', 'state: ' || build.provisioner_state, 'updated: ' || build.updated_at),
                CASE
                    WHEN octet_length(was_build.provisioner_state) > 0 OR previous_build.id IS NULL THEN
                        build.provisioner_state IS NOT DISTINCT FROM was_build.provisioner_state
                        AND build.updated_at IS NOT DISTINCT FROM was_build.updated_at
                    ELSE
                        build.provisioner_state IS NOT DISTINCT FROM previous_build.provisioner_state
                        AND build.updated_at = job.completed_at
                END),
            ('previous build', 'another, or another job',
                previous_build.id IS NULL OR (
                    SELECT to_jsonb(b) = to_jsonb(previous_build) AND to_jsonb(j) = to_jsonb(was_j)
                    FROM public.workspace_builds b
                    JOIN public.provisioner_jobs j ON j.id = b.job_id
                    JOIN remembered.provisioner_jobs was_j ON was_j.id = j.id
                    WHERE b.id = previous_build.id))
        ) AS requirement (promise, found, is_met)
        WHERE is_met IS NOT true
    ) AS broken
FROM remembered.settings
CROSS JOIN remembered.provisioner_jobs was
CROSS JOIN LATERAL (
    SELECT
        *,
        '{updated_at,completed_at,error,error_code}'::text[] || changed_by_workers
            || CASE WHEN is_pending THEN '{started_at}' ELSE '{}' END::text[] AS changed
    FROM remembered.terms
    WHERE coalesce(job_id = was.id, NOT is_pending OR (was.started_at IS NULL AND was.canceled_at IS NULL))
    ORDER BY job_id IS NULL, is_pending DESC
    LIMIT 1
) AS term
LEFT JOIN public.provisioner_jobs job ON job.id = was.id
LEFT JOIN remembered.workspace_builds was_build ON was_build.job_id = was.id
LEFT JOIN public.workspace_builds build ON build.job_id = was.id
LEFT JOIN remembered.workspace_builds previous_build
    ON previous_build.workspace_id = was_build.workspace_id
    AND previous_build.build_number = was_build.build_number - 1
LEFT JOIN LATERAL (
    SELECT l.stage
    FROM remembered.provisioner_job_logs l WHERE l.job_id = was.id ORDER BY l.id DESC LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    SELECT
        min(l.id) AS first_line,
        array_agg(concat_ws('|', l.source, l.level, l.stage, l.created_at - job.completed_at, l.output)
            ORDER BY l.id) AS lines
    FROM public.provisioner_job_logs l
    WHERE l.job_id = was.id AND NOT EXISTS (SELECT FROM remembered.provisioner_job_logs r WHERE r.id = l.id)
) AS new_log
CROSS JOIN LATERAL (
    SELECT coalesce(bool_and(to_jsonb(l) IS NOT DISTINCT FROM to_jsonb(r)), true) AS keeps_lines
    FROM remembered.provisioner_job_logs r
    LEFT JOIN public.provisioner_job_logs l ON l.id = r.id
    WHERE r.job_id = was.id
) AS old_log
CROSS JOIN LATERAL (
    SELECT coalesce(
        to_jsonb(job) - changed_by_workers - 'updated_at' = to_jsonb(was) - changed_by_workers - 'updated_at'
        AND to_jsonb(build) IS NOT DISTINCT FROM to_jsonb(was_build)
        AND keeps_lines
        AND new_log.lines IS NULL,
        false) AS has_only_reported
) AS look
