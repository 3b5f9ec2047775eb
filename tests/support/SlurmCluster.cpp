#include "SlurmCluster.h"

#include "Eventually.h"
#include "FreePort.h"

#include <Poco/Environment.h>
#include <Poco/RandomStream.h>
#include <Poco/String.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <pwd.h>
#include <set>
#include <stdexcept>
#include <unistd.h>

namespace HangDetection::Test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr const char* slurmUser = "slurm";

/// The host of the second controller, which is this machine under another name.
constexpr const char* standbyHost = "standby";

/// How long a daemon may take to start or to stop on a machine that is very busy.
constexpr std::chrono::seconds patience{30};

constexpr fs::perms everybodyMayEnter = fs::perms(0755);

void requireMachine()
{
    if (geteuid() != 0)
        throw std::runtime_error(
            "these tests start a munged, a slurmctld and a slurmd of their own, and slurmctld "
            "has to become the user slurm: run them as root");
    if (getpwnam(slurmUser) == nullptr) // NOLINT(concurrency-mt-unsafe)
        throw std::runtime_error(
            "no user slurm on this machine; apt-get install slurmctld slurmd slurm-client munge");
}

std::string shortHostName()
/// As slurmctld and slurmd know it themselves.
{
    const std::string name = Poco::Environment::nodeName();
    return name.substr(0, name.find('.'));
}

void writeFile(const fs::path& file, const std::string& text)
{
    std::ofstream(file, std::ios::binary) << text;
}

bool uses(const fs::path& process, const std::string& directory)
/// Whether the process works in the directory or has a file of it open.
{
    std::error_code error;
    std::vector<fs::path> links{process / "cwd"};
    for (fs::directory_iterator file(process / "fd", error), end; !error && file != end;
         file.increment(error))
        links.push_back(*file);
    return std::any_of(links.begin(), links.end(), [&](const fs::path& link) {
        std::error_code isGone;
        return fs::read_symlink(link, isGone).string().starts_with(directory);
    });
}

std::set<pid_t> processesUsing(const fs::path& directory)
{
    std::set<pid_t> processes;
    std::error_code error;
    for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
        const auto process = static_cast<pid_t>(std::strtol(entry->path().filename().c_str(), nullptr, 10));
        if (process > 0 && process != getpid() && uses(entry->path(), directory.string() + '/'))
            processes.insert(process);
    }
    return processes;
}

} // namespace

SlurmCluster::SlurmCluster() : _host(shortHostName())
{
    requireMachine();
    // SlurmUser has to come through to its own files.
    fs::permissions(directory(), everybodyMayEnter);
    for (const char* name : {"munge", "plugins", "spool", "state", "run"})
        fs::create_directory(directory() / name);
    Sim::mustRun({"chown", slurmUser, directory() / "state", directory() / "run"});

    // The folder of the build may lie where slurm cannot go.
    const fs::path plugin = HANG_DETECTOR_PLUGIN;
    fs::copy_file(plugin, directory() / "plugins" / plugin.filename());
    fs::permissions(directory() / "plugins" / plugin.filename(), everybodyMayEnter);

    const auto file = [this](const char* name) { return (directory() / name).string(); };
    _configuration = {
        {"ClusterName", "test"},
        {"SlurmctldHost", _host + "(127.0.0.1)"},
        {"SlurmctldPort", freePort(20000, 25999)},
        {"SlurmdPort", freePort(26000, 31999)},
        {"SlurmUser", slurmUser},
        {"AuthType", "auth/munge"},
        {"CredType", "cred/munge"},
        {"AuthInfo", "socket=" + file("munge/socket")},
        {"StateSaveLocation", file("state")},
        {"SlurmdSpoolDir", file("spool")},
        {"SlurmctldPidFile", file("run/slurmctld.pid")},
        {"SlurmdPidFile", file("run/slurmd.pid")},
        {"SlurmctldLogFile", file(logFile)},
        {"SlurmdLogFile", file("run/slurmd.log")},
        {"SlurmctldDebug", "info"},
        {"PluginDir", file("plugins") + ":" + SLURM_PLUGIN_DIR},
        {"JobSubmitPlugins", "hang_detector"},
        // So long slurmd waits in vain for a script whose signal was lost, as it had only just begun.
        {"KillWait", "5"},
        {"ProctrackType", "proctrack/linuxproc"},
        {"TaskPlugin", "task/none"},
        {"SelectType", "select/cons_tres"},
        {"SwitchType", "switch/none"},
        {"MpiDefault", "none"},
        {"MailProg", "/bin/true"},
        {"ReturnToService", "2"},
    };
    writeConfiguration();
    startMunge();
}

SlurmCluster::~SlurmCluster()
{
    endAll();
}

void SlurmCluster::configure(const std::string& key, const std::string& value)
{
    _configuration[key] = value;
    writeConfiguration();
}

void SlurmCluster::writeSettings(const std::string& text, fs::perms mode, const fs::path& file) const
{
    writeFile(directory() / file, text);
    Sim::mustRun({"chown", slurmUser, directory() / file});
    fs::permissions(directory() / file, mode);
}

void SlurmCluster::setProcessors(int count)
{
    _processors = count;
    configure("SlurmdParameters", "config_overrides");
    // Otherwise a job that asks for no memory has all of it.
    configure("SelectTypeParameters", "CR_Core");
}

void SlurmCluster::addNodes(const std::vector<std::string>& names)
{
    for (const std::string& name : names)
        _ports[name] = freePort(20000, 31999);
    // %n is the name of the node.
    configure("SlurmdSpoolDir", (directory() / "spool-%n").string());
    configure("SlurmdPidFile", (directory() / "run/slurmd-%n.pid").string());
}

void SlurmCluster::startNode(const std::string& name)
{
    _moreSlurmds[name].emplace(withEnvironment({"slurmd", "-D", "-N", name}),
                               directory() / ("run/" + name + ".out"));
    await("slurmd did not become idle on " + name, [&] { return nodeState(name) == "idle"; });
}

void SlurmCluster::killNode(const std::string& name)
{
    // The steps of its jobs have the name in their titles or their environment.
    kill(_moreSlurmds.at(name).value().id(), SIGKILL);
    _moreSlurmds.at(name)->waitUntilEnded(patience);
    for (const pid_t process : processesUsing(directory() / ("spool-" + name)))
        kill(process, SIGKILL);
}

void SlurmCluster::setCloudNode()
{
    _isCloud = true;
    configure("ResumeProgram", "/bin/true");
    configure("SuspendProgram", "/bin/true");
    configure("SuspendTime", "600");
}

void SlurmCluster::startController()
{
    forgetLog();
    _slurmctld.emplace(_hasStandby ? controllerOn(_host, directory()) : withEnvironment({"slurmctld", "-D"}),
                       directory() / "run/slurmctld.out");
    requireAnswer();
}

int SlurmCluster::runRefusedController()
{
    forgetLog();
    ChildProcess slurmctld(withEnvironment({"slurmctld", "-D"}), directory() / "run/slurmctld.out");
    // It takes a tenth of a second; a test that fails should not take a minute.
    const auto status = slurmctld.waitUntilEnded(10s);
    if (!status)
        throw std::runtime_error("slurmctld did not end by itself:\n" + log());
    return *status;
}

pid_t SlurmCluster::startDaemon()
{
    forgetLog();
    ChildProcess starter(withEnvironment({"slurmctld"}), directory() / "run/slurmctld.out");
    if (starter.waitUntilEnded(patience) != 0)
        throw std::runtime_error("slurmctld did not go into the background:\n" + log());
    requireAnswer();
    return static_cast<pid_t>(std::stol(_directory.read("run/slurmctld.pid")));
}

bool SlurmCluster::isAlive(pid_t process)
{
    // The state follows the name, which is in parentheses and may hold any character.
    std::string stat;
    std::getline(std::ifstream("/proc/" + std::to_string(process) + "/stat"), stat);
    const auto name = stat.rfind(") ");
    return name != std::string::npos && stat.at(name + 2) != 'Z';
}

void SlurmCluster::killController()
{
    kill(controller(), SIGKILL);
    _slurmctld->waitUntilEnded(patience);
}

void SlurmCluster::addStandby(const std::string& settings)
{
    _hasStandby = true;
    // Each controller listens only on the address of its own host. Their names need not be
    // known on this machine: each is started with a list of hosts of its own.
    configure("CommunicationParameters", "NoCtldInAddrAny");
    writeFile(directory() / "hosts", "127.0.0.1 localhost " + _host + "\n127.0.0.2 " + standbyHost + "\n");

    const fs::path standby = directory() / "standby";
    fs::create_directory(standby);
    std::string text = textOfConfiguration();
    // A log and a file with the process id of its own.
    Poco::replaceInPlace(text, std::string("/run/slurmctld."), std::string("/run/standby."));
    writeFile(standby / "slurm.conf", text);
    fs::copy_file(directory() / "cgroup.conf", standby / "cgroup.conf");
    writeSettings(settings, groupMayRead, "standby/hang_detector.conf");
}

void SlurmCluster::startStandby()
{
    _standby.emplace(controllerOn(standbyHost, directory() / "standby"), directory() / "run/standby.out");
    await("the second slurmctld does not stand by",
          [this] { return standbyLog().find("slurmctld running in background mode") != std::string::npos; });
}

void SlurmCluster::startNode()
{
    // With -b the node has booted just now, as slurmctld expects of a cloud node.
    _slurmd.emplace(withEnvironment({"slurmd", "-D", "-b", "-N", _host}), directory() / "run/slurmd.out");
    const std::string state = _isCloud ? "allocated" : "idle";
    await("slurmd did not become " + state, [&] { return nodeState() == state; });
}

std::string SlurmCluster::nodeState(const std::string& name) const
{
    return Poco::trim(
        run({"sinfo", "--noheader", "--format=%T", "--nodes=" + (name.empty() ? _host : name)}));
}

std::string SlurmCluster::searchPath()
{
    return SLURM_PREFIX "/bin:" SLURM_PREFIX "/sbin:" + Poco::Environment::get("PATH", "/usr/bin:/bin") +
           ":/usr/sbin:/sbin";
}

bool SlurmCluster::controllerAnswers() const
{
    return Sim::runCommand(withEnvironment({"scontrol", "ping"})).output.find(" is UP") != std::string::npos;
}

void SlurmCluster::reconfigure() const
{
    run({"scontrol", "reconfigure"});
    requireAnswer();
}

std::string SlurmCluster::submit(const std::string& script, const Sim::CommandLine& options) const
{
    const fs::path file = directory() / "script";
    writeFile(file, "#!/bin/sh\n" + script + "\n");
    Sim::CommandLine command{"sbatch", "--parsable", "--output=/dev/null", "--chdir=" + directory().string()};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(file);
    return Poco::trim(run(command));
}

std::string SlurmCluster::startSleeping(const Sim::CommandLine& options) const
{
    const std::string started = (directory() / "run/started-").string();
    std::string job = submit("touch '" + started + "'$SLURM_JOB_ID; exec sleep 600", options);
    waitForState(job, "RUNNING");
    await("the script of the job does not run", [&] { return fs::exists(started + job); });
    return job;
}

void SlurmCluster::waitForState(const std::string& job, const std::string& state) const
{
    await("job " + job + " is not " + state,
          [&] { return show(job).find("JobState=" + state + ' ') != std::string::npos; });
}

std::string SlurmCluster::log() const
{
    return _directory.read(logFile) + _directory.read("run/slurmctld.out");
}

void SlurmCluster::waitForLog(const std::string& text, std::chrono::milliseconds atMost,
                              std::size_t lines) const
{
    await(
        "not " + std::to_string(lines) + " times in the log of slurmctld: " + text,
        [&] { return countInLog(text) >= lines; }, atMost);
}

void SlurmCluster::startMunge()
{
    const fs::path munge = directory() / "munge";
    std::string key(128, '\0');
    Poco::RandomInputStream().read(key.data(), static_cast<std::streamsize>(key.size()));
    writeFile(munge / "key", key);
    fs::permissions(munge / "key", fs::perms::owner_read);
    _munged.emplace(withEnvironment({"munged", "--foreground", "--force", "--key-file", munge / "key",
                                     "--socket", munge / "socket", "--pid-file", munge / "pid", "--log-file",
                                     munge / "log", "--seed-file", munge / "seed"}),
                    munge / "out");
    await("munged does not answer", [&] {
        return Sim::runCommand({"munge", "--no-input", "--socket", munge / "socket"}).exitStatus == 0;
    });
}

void SlurmCluster::writeConfiguration() const
{
    writeFile(directory() / "slurm.conf", textOfConfiguration());
    // Nothing here uses control groups, but slurmd wants a plugin for them. This one starts
    // without any being mounted and without systemd.
    writeFile(directory() / "cgroup.conf", "CgroupPlugin=cgroup/v1\n");
}

std::string SlurmCluster::textOfConfiguration() const
{
    std::string text;
    for (const auto& [key, value] : _configuration) {
        if (!value.empty())
            text.append(key).append("=").append(value).append("\n");
    }
    // The order of the hosts is that of their ranks.
    if (_hasStandby)
        text.append("SlurmctldHost=").append(standbyHost).append("(127.0.0.2)\n");
    text += "NodeName=" + _host + " NodeAddr=127.0.0.1 CPUs=" + std::to_string(_processors) +
            (_isCloud ? " State=CLOUD\n" : "\n");
    for (const auto& [name, port] : _ports)
        text += "NodeName=" + name + " NodeHostname=" + _host + " NodeAddr=127.0.0.1 Port=" + port +
                " CPUs=" + std::to_string(_processors) + "\n";
    text += "PartitionName=test Nodes=ALL Default=YES\n";
    return text;
}

void SlurmCluster::forgetLog() const
{
    fs::remove(directory() / logFile);
    fs::remove(directory() / "run/slurmctld.out");
}

Sim::CommandLine SlurmCluster::controllerOn(const std::string& host, const fs::path& directory) const
/// A slurmctld with the slurm.conf of this directory, in name spaces of its own.
{
    const std::string script = "mount --bind '" + (this->directory() / "hosts").string() +
                               "' /etc/hosts && hostname '" + host + "' && exec slurmctld -D";
    return withEnvironment({"unshare", "--uts", "--mount", "sh", "-c", script}, directory / "slurm.conf");
}

Sim::CommandLine SlurmCluster::withEnvironment(const Sim::CommandLine& command,
                                               const fs::path& slurmConf) const
{
    // A test may run as a Slurm job itself, whose variables are not for this cluster.
    Sim::CommandLine line{"env", "-i", "SLURM_CONF=" + (directory() / slurmConf).string(),
                          "PATH=" + searchPath()};
    line.insert(line.end(), command.begin(), command.end());
    return line;
}

void SlurmCluster::requireAnswer() const
{
    await("slurmctld does not answer", [this] { return controllerAnswers(); });
}

void SlurmCluster::await(const std::string& fault, const std::function<bool()>& condition,
                         std::chrono::milliseconds atMost) const
{
    if (eventually(atMost, condition))
        return;
    std::string logs;
    for (const char* const name :
         {"munge/out", "munge/log", "run/slurmd.out", "run/slurmd.log", "run/standby.out", "run/standby.log"})
        logs += _directory.read(name);
    throw std::runtime_error(fault + ":\n" + logs + log());
}

void SlurmCluster::endAll() noexcept
{
    try {
        // slurmctld first, as it would report a slurmd that went away.
        _standby.reset();
        _slurmctld.reset();
        _slurmd.reset();
        _moreSlurmds.clear();
        _munged.reset();
        // Steps of jobs outlive slurmd on purpose, and a daemon is still there.
        eventually(patience, [this] {
            const auto processes = processesUsing(directory());
            for (const pid_t process : processes)
                kill(process, SIGKILL);
            return processes.empty();
        });
    } catch (...) {
        // What cannot be ended stays; the test has its own verdict.
    }
}

} // namespace HangDetection::Test
