#pragma once

#include "JobDatabase.h"
#include "NotificationListener.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>

namespace HangDetection::Test {

class JobsUnderFault
/// Hung jobs of all kinds, and what becomes of them when faults hit those who terminate
/// them. Every job is followed from its beginning. Has sessions of its own in the
/// database of a test; used by one thread.
{
public:
    explicit JobsUnderFault(std::string connectionString);
    /// From now on every row is compared with what it was when its job was added. The
    /// database has no jobs yet.

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

    void expectNoneInBetween();
    /// One look at all jobs: each is as it was, or completely terminated. Those that have been
    /// seen to be terminated before are left to expectNothingLeft.

    void expectNotified();
    /// Whoever follows the log of a job that has been terminated was notified exactly once.

    void expectNothingLeft();
    /// Every job has been terminated completely, and nothing has happened to it since.

    void reconnect();
    /// The server crashed after the last expectNotified. Nobody can know who was notified of
    /// what was committed since then, so these may lack their notification.

    int notNotified() const { return _notNotified; }
    /// How many terminations lack it.

private:
    using Lines = std::multiset<std::string>;

    void connect();
    std::string addOne();
    void remember();
    void readNotifications();
    bool receive(std::chrono::milliseconds atMost);
    const Lines& due();
    int number(const std::string& sql);
    std::string text(const std::string& sql);

    const std::string _connectionString;
    std::optional<Sim::JobDatabase> _database;
    std::optional<Sim::NotificationListener> _listener;
    Lines _due;
    /// The notifications that belong to what was seen to be committed, each as "job payload".
    Lines _received;
    /// With those that a crash has taken away.
    int _added = 0;
    int _lines = 0;
    int _refused = 0;
    int _notNotified = 0;
};

} // namespace HangDetection::Test
