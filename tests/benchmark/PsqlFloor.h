#pragma once

#include "Contender.h"

#include <Poco/Pipe.h>
#include <Poco/PipeStream.h>
#include <Poco/Process.h>

#include <string>

namespace HangDetection::Benchmark {

class PsqlFloor : public Contender
/// The least SQL that will do, in a psql that is connected already: one statement that
/// finds and terminates, or the search alone.
{
public:
    enum class Task
    {
        terminate,
        search
    };

    PsqlFloor(const std::string& connectionString, Task task);
    /// Returns when it is connected. Throws std::runtime_error when it cannot.

    ~PsqlFloor() override;

    int run() override;

    pid_t process() const override { return _psql.id(); }

private:
    std::string ask(const std::string& question);

    const Task _task;
    Poco::Pipe _in;
    Poco::Pipe _out;
    Poco::ProcessHandle _psql;
    Poco::PipeOutputStream _questions;
    Poco::PipeInputStream _answers;
};

} // namespace HangDetection::Benchmark
