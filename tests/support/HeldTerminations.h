#pragma once

#include "JobDatabase.h"

namespace HangDetection::Test {

class HeldTerminations
/// From its making to its end(), the statement that terminates a job takes as long as
/// anybody lets it: it sleeps, and looks now and then whether that is over.
{
public:
    explicit HeldTerminations(Sim::JobDatabase& database);

    void end();

    static constexpr const char* waitEvent = "PgSleep";
    /// Of a termination that is held.

private:
    Sim::JobDatabase& _database;
};

} // namespace HangDetection::Test
