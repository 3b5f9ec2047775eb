#pragma once

#include "ChildProcess.h"
#include "TemporaryDirectory.h"
#include "Texts.h"

#include <functional>
#include <map>
#include <vector>

namespace HangDetection::Test {

class SlurmCluster
/// A Slurm of its own on this machine: munged, slurmctld and slurmd, with all their files in one
/// temporary directory and on ports that were free. Its slurm.conf loads the plugin that was built with
/// the tests. Needs root and Slurm's user `slurm`, but neither systemd nor control groups nor a host
/// name that resolves.
///
/// What was started is stopped with the object, the directory removed. Whatever waits in vain throws
/// std::runtime_error with the log. Used by one thread.
{
public:
    SlurmCluster();
    /// Starts munged; nothing of Slurm yet. Throws std::runtime_error with what is missing on this
    /// machine.

    ~SlurmCluster();

    SlurmCluster(const SlurmCluster&) = delete;
    SlurmCluster& operator=(const SlurmCluster&) = delete;

    const std::filesystem::path& directory() const { return _directory.path(); }
    /// Everybody may enter it; only root may write to it.

    void configure(const std::string& key, const std::string& value);
    /// Sets a line of slurm.conf; an empty value takes it out. What runs already knows after
    /// reconfigure().

    void setProcessors(int count);
    /// Of the only node, one unless it is set, whatever the machine has. Before it is started.

    void addNodes(const std::vector<std::string>& names);
    /// Further nodes, each with the processors of the first. Before startController().

    void startNode(const std::string& name);
    /// Starts the slurmd of one of these, and returns when a job can run there.

    void killNode(const std::string& name);
    /// Ends its slurmd and the processes of its jobs by SIGKILL, as a machine that dies.

    void setCloudNode();
    /// The only node is one that Slurm boots when a job needs it: a job is CONFIGURING until
    /// startNode(). Before startController().

    void writeSettings(const std::string& text, std::filesystem::perms mode = groupMayRead,
                       const std::filesystem::path& file = "hang_detector.conf") const;
    /// For the user slurm. The path is relative to directory().

    void startController();
    /// Starts slurmctld, with an empty log, and returns when it answers.

    int runRefusedController();
    /// Starts a slurmctld that ends by itself, and returns its exit status.

    pid_t startDaemon();
    /// As startController, but slurmctld puts itself into the background. Returns its process id.

    static bool isAlive(pid_t process);
    /// False also for a process that has ended and whose parent has not asked for its status.

    int stopController(std::chrono::milliseconds atMost) { return _slurmctld.value().stop(atMost); }
    /// Stops slurmctld by SIGTERM and returns its exit status as ChildProcess does.

    void killController();
    /// Ends slurmctld by SIGKILL, as a machine that dies.

    void addStandby(const std::string& settings);
    /// From now on the cluster has a second controller, on a host of its own name and address as far as
    /// Slurm can see, with these settings for its detector. It goes on where the first one was, as both
    /// share their state. After the last configure(), and before startController().

    void startStandby();
    /// Starts the second controller and returns when it stands by.

    int stopStandby(std::chrono::milliseconds atMost) { return _standby.value().stop(atMost); }

    std::string standbyLog() const { return _directory.read("run/standby.log"); }

    pid_t controller() const { return _slurmctld.value().id(); }
    /// The process id of the slurmctld that startController started.

    void startNode();
    /// Starts slurmd and returns when a job can run, or, on a cloud node, when one has the node.

    std::string nodeState(const std::string& name = {}) const;
    /// As sinfo shows it, such as idle. Of the first node, unless it has a name.

    std::string run(const Sim::CommandLine& command) const { return Sim::mustRun(withEnvironment(command)); }
    /// The output of one of Slurm's commands, which has to succeed.

    static std::string searchPath();
    /// PATH with the commands and daemons of the Slurm that the plugin was built for.

    bool controllerAnswers() const;

    void reconfigure() const;
    /// Returns when the controller answers again.

    std::string submit(const std::string& script, const Sim::CommandLine& options = {}) const;
    /// Submits a batch script and returns the job's id.

    std::string startSleeping(const Sim::CommandLine& options = {}) const;
    /// Submits a script that sleeps, and returns the job's id when the script runs. A job is RUNNING
    /// a little before that, when a signal for it can be lost.

    std::string show(const std::string& job) const { return run({"scontrol", "show", "job", job}); }
    /// What scontrol knows of the job.

    void waitForState(const std::string& job, const std::string& state) const;
    /// Until the job is in the state, such as COMPLETED.

    std::string log() const;
    /// All that the slurmctld started last wrote to its log, to stdout and to stderr.

    std::size_t countInLog(const std::string& text) const { return count(_directory.read(logFile), text); }
    /// How often the text, a part of a line, is in slurmctld's log file.

    void waitForLog(const std::string& text, std::chrono::milliseconds atMost = std::chrono::seconds(15),
                    std::size_t lines = 1) const;
    /// Until that many lines of the log hold the text.

    void waitForMore(const std::string& text, std::size_t lines,
                     std::chrono::milliseconds atMost = std::chrono::seconds(15)) const
    /// Until that many more lines hold the text than now.
    {
        waitForLog(text, atMost, countInLog(text) + lines);
    }

    static constexpr std::filesystem::perms groupMayRead = std::filesystem::perms(0640);

private:
    static constexpr const char* logFile = "run/slurmctld.log";

    void startMunge();
    void writeConfiguration() const;
    void forgetLog() const;
    std::string textOfConfiguration() const;
    Sim::CommandLine controllerOn(const std::string& host, const std::filesystem::path& directory) const;
    Sim::CommandLine withEnvironment(const Sim::CommandLine& command,
                                     const std::filesystem::path& slurmConf = "slurm.conf") const;
    void requireAnswer() const;
    void await(const std::string& fault, const std::function<bool()>& condition,
               std::chrono::milliseconds atMost = std::chrono::seconds(30)) const;
    void endAll() noexcept;

    const TemporaryDirectory _directory;
    const std::string _host;
    std::map<std::string, std::string> _configuration;
    std::map<std::string, std::string> _ports;
    /// Of further nodes, by name.
    int _processors = 1;
    bool _isCloud = false;
    bool _hasStandby = false;
    // In the order in which they have to be started.
    std::optional<ChildProcess> _munged;
    std::optional<ChildProcess> _slurmd;
    std::map<std::string, std::optional<ChildProcess>> _moreSlurmds;
    std::optional<ChildProcess> _slurmctld;
    std::optional<ChildProcess> _standby;
};

} // namespace HangDetection::Test
