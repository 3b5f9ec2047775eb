#pragma once

#include "RememberedJobs.h"

namespace HangDetection::Test {

class JobsUnderFault : public RememberedJobs
/// Hung jobs of all kinds for those who terminate them to be hit by faults. Each is
/// remembered as it was added.
{
public:
    explicit JobsUnderFault(std::string connectionString, const Sim::ContractTerms& terms = {});
    /// The database has no jobs yet.

    void drawOutTerminations();
    /// Adds a job that the database refuses to terminate, so that the others of its batch
    /// take several statements, with commits in between; and each job takes a millisecond,
    /// so that there is a time to hit.

    void endDrawingOut();
    /// No job is refused any more, and all are as fast as they can be.

    void topUp(int count);
    /// Adds jobs until so many wait to be terminated, those that are refused not counted.

    int terminated();
    /// How many jobs have been terminated so far.

    int left() { return _added - terminated(); }
    /// How many jobs have not been terminated.

    int linesTakenBack();
    /// How many log lines were written in statements that did not commit. Not exact any
    /// more when the server has crashed, as that skips numbers of the sequence.

    void expectNothingLeft();
    /// Every job has been terminated completely, and nothing has happened to it since.

private:
    void addOne();
    int number(const std::string& query);

    int _added = 0;
    int _lines = 0;
    int _refused = 0;
};

} // namespace HangDetection::Test
