#include "CleanController.h"

#include "Eventually.h"
#include "FreePort.h"
#include "Texts.h"

#include <Poco/Environment.h>

#include <fstream>
#include <stdexcept>

namespace HangDetection::Test {

namespace {

/// How long a daemon may take to start on a machine that is very busy.
constexpr std::chrono::seconds patience{30};

constexpr const char* logFile = "/var/log/slurm/slurmctld.log";

} // namespace

CleanController::CleanController(const CleanDebian& debian, const std::string& settings) : _debian(debian)
{
    const std::string name = Poco::Environment::nodeName();
    const std::string host = name.substr(0, name.find('.'));
    std::ofstream(_debian.outside("/etc/slurm/slurm.conf"))
        << "ClusterName=test\n"
        << "SlurmctldHost=" << host << "(127.0.0.1)\n"
        << "SlurmctldPort=" << freePort(20000, 25999) << '\n'
        << "SlurmUser=slurm\n"
        << "StateSaveLocation=/var/lib/slurm/slurmctld\n"
        << "SlurmctldPidFile=/run/slurm/slurmctld.pid\n"
        << "SlurmctldLogFile=" << logFile << '\n'
        << "ProctrackType=proctrack/linuxproc\n"
        << "TaskPlugin=task/none\n"
        << "NodeName=" << host << " NodeAddr=127.0.0.1 CPUs=1\n"
        << "PartitionName=test Nodes=ALL Default=YES\n"
        << settings;

    for (const std::string user : {"munge", "slurm"})
        _debian.run({"install", "--directory", "--owner=" + user, "/run/" + user});
    _munged.emplace(_debian.inside(Sim::asUser("munge", {"munged", "--foreground"})),
                    _output.path() / "munged");
    if (!eventually(patience, [this] {
            return Sim::runCommand(_debian.inside({"munge", "--no-input"})).exitStatus == 0;
        }))
        throw std::runtime_error("munged does not answer:\n" + _output.read("munged"));
    _slurmctld.emplace(_debian.inside({"slurmctld", "-D"}), _output.path() / "slurmctld");
    if (!eventually(patience, [this] {
            return contains(" is UP", Sim::runCommand(_debian.inside({"scontrol", "ping"})).output);
        }))
        throw std::runtime_error("slurmctld does not answer:\n" + log());
}

void CleanController::waitForLog(const std::string& text) const
{
    if (!eventually(patience, [&] { return contains(text, log()); }))
        throw std::runtime_error("the log does not say " + text + ":\n" + log());
}

std::string CleanController::log() const
{
    return _output.read(_debian.outside(logFile)) + _output.read("slurmctld");
}

} // namespace HangDetection::Test
