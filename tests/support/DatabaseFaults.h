#pragma once

#include "TestDatabase.h"
#include "Undo.h"

// The faults of a database and of the way to it that suites go through: OutageTest, EnduranceTest,
// StopTest and ShutdownTest. Each suite has rows of its own that name the faults that make sense
// for it, and its own check.

namespace HangDetection::Test {

struct FaultSite
/// Where a fault is made.
{
    Sim::ThrowawayPostgres& server;
    TestDatabase& database;
    std::string role;
    /// That the detector connects as. Not a superuser, as some faults do not hit those.
    std::function<void()> grant;
    /// Gives the role all that it needs, again when something was withdrawn.
};

void addRole(TestDatabase& database, const std::string& role);
/// A role for a FaultSite, which may log in and do all with the tables. Servers keep roles, so it may
/// be there already.

struct FaultParts
/// A fault that was made. What these hold is what makes it.
{
    std::function<void()> end;
    std::string connection = {};
    /// What leads a connection string to the fault when it comes last.
    std::function<bool()> holdsARun = {};
    /// Whether a run does not go on because of the fault. Not set when the fault makes runs fail.
    std::function<void()> complete = {};
    /// What is left to do when a run is held. Not set when that is nothing.
};

struct DatabaseFault
/// A row of the table.
{
    std::string name;
    /// Is part of the names of tests.
    std::function<FaultParts(const FaultSite&)> make;
    bool isMetByTerminations = false;
    /// Only a run that terminates a job meets the fault.
    bool isAnswered = true;
    /// The server answers a cancel during the fault.
    std::string cause = {};
    /// Part of the error of a run that fails by it, where that does not depend on the settings.
    std::string sqlState = {};
    /// Of that error; empty for none.
    std::string advice = "check Connection in hang_detector.conf, the network, and that the database server "
                         "is up";
    /// The beginning of what is logged with that error.
};

const DatabaseFault& databaseFault(const std::string& name);
/// The row of that name. Throws std::out_of_range.

class MadeFault : public Undo
/// A fault, until it is undone. What leads to the database stays until the object goes.
{
public:
    MadeFault(const DatabaseFault& fault, const FaultSite& site) : MadeFault(fault.make(site)) {}

    const FaultParts parts;

private:
    explicit MadeFault(const FaultParts& made) : Undo(made.end), parts(made) {}
};

} // namespace HangDetection::Test
