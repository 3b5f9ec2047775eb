#include "TerminationFaults.h"

namespace HangDetection::Test {

void refuse(Sim::JobDatabase& database, const std::string& jobId, const std::string& by)
{
    database.execute("CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
                     " SECURITY DEFINER AS $$BEGIN " +
                     by + "; RETURN new; END$$");
    database.execute("CREATE TRIGGER refuse BEFORE UPDATE ON provisioner_jobs FOR EACH ROW WHEN (old.id = '" +
                     jobId + "') EXECUTE FUNCTION refuse()");
}

void refuseNoMore(Sim::JobDatabase& database)
{
    database.execute("DROP TRIGGER refuse ON provisioner_jobs");
}

void endSessionsThatTerminate(Sim::JobDatabase& database)
{
    database.execute("CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS"
                     " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new; END'");
    database.execute("CREATE TRIGGER end_session BEFORE UPDATE ON provisioner_jobs FOR EACH ROW"
                     " EXECUTE FUNCTION end_session()");
}

void endSessionsNoMore(Sim::JobDatabase& database)
{
    database.execute("DROP TRIGGER end_session ON provisioner_jobs");
}

void slowDownTerminations(Sim::JobDatabase& database, const std::string& each, const std::string& seconds,
                          const std::string& application)
{
    database.execute("CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                     " IF current_setting('application_name') LIKE '" +
                     application + "' THEN PERFORM pg_sleep(" + seconds + "); END IF; RETURN new; END$$");
    database.execute("CREATE TRIGGER slow_down BEFORE UPDATE ON provisioner_jobs FOR EACH " + each +
                     " EXECUTE FUNCTION slow_down()");
}

void slowDownTerminationsNoMore(Sim::JobDatabase& database)
{
    database.execute("DROP FUNCTION slow_down CASCADE");
}

void holdTerminations(Sim::JobDatabase& database)
{
    database.execute("CREATE TABLE hold AS SELECT 1");
    database.execute("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                     " 'BEGIN WHILE EXISTS (SELECT FROM hold) LOOP PERFORM pg_sleep(0.1); END LOOP;"
                     " RETURN new; END'");
    database.execute("CREATE TRIGGER wait BEFORE UPDATE ON provisioner_jobs"
                     " FOR EACH ROW EXECUTE FUNCTION wait()");
}

void holdTerminationsNoMore(Sim::JobDatabase& database)
{
    database.execute("DELETE FROM hold");
}

} // namespace HangDetection::Test
