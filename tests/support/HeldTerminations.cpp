#include "HeldTerminations.h"

namespace HangDetection::Test {

HeldTerminations::HeldTerminations(Sim::JobDatabase& database) : _database(database)
{
    _database.execute("CREATE TABLE hold AS SELECT 1");
    _database.execute("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                      " 'BEGIN WHILE EXISTS (SELECT FROM hold) LOOP PERFORM pg_sleep(0.1); END LOOP;"
                      " RETURN new; END'");
    _database.execute("CREATE TRIGGER wait BEFORE UPDATE ON provisioner_jobs"
                      " FOR EACH ROW EXECUTE FUNCTION wait()");
}

void HeldTerminations::end()
{
    _database.execute("DELETE FROM hold");
}

} // namespace HangDetection::Test
