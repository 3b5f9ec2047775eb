#include "LaterSchema.h"

namespace HangDetection::Test {

void migrateTo2026(Sim::JobDatabase& database)
{
    database.execute("CREATE TYPE provisioner_job_status AS ENUM ('pending', 'running', 'succeeded',"
                     " 'canceling', 'canceled', 'failed')");
    database.execute("ALTER TABLE provisioner_jobs"
                     " ADD logs_length integer NOT NULL DEFAULT 0,"
                     " ADD logs_overflowed boolean NOT NULL DEFAULT false,"
                     " ADD job_status provisioner_job_status NOT NULL GENERATED ALWAYS AS (CASE"
                     " WHEN error <> '' THEN 'failed'::provisioner_job_status"
                     " WHEN completed_at IS NOT NULL AND canceled_at IS NOT NULL THEN 'canceled'"
                     " WHEN completed_at IS NOT NULL THEN 'succeeded'"
                     " WHEN canceled_at IS NOT NULL THEN 'canceling'"
                     " WHEN started_at IS NOT NULL THEN 'running'"
                     " ELSE 'pending' END) STORED");
    database.execute("CREATE INDEX ON provisioner_jobs (job_status)");
    database.execute("CREATE VIEW builds_without_state AS SELECT id, created_at, updated_at,"
                     " workspace_id, template_version_id, build_number, transition, initiator_id,"
                     " job_id, deadline, reason, daily_cost, max_deadline FROM workspace_builds");
}

} // namespace HangDetection::Test
