// The commands of the README, as they stand there, by an operator who has never seen the project.

#include "BuiltPackage.h"
#include "CleanController.h"
#include "JobDatabase.h"
#include "Printing.h"
#include "Suite.h"
#include "Texts.h"
#include "ThrowawayPostgres.h"

#include <Poco/String.h>

#include <fstream>
#include <map>
#include <regex>
#include <vector>

namespace HangDetection::Test {

namespace fs = std::filesystem;

namespace {

/// db.example.org of the README. On another address of this machine the port is free.
constexpr const char* address = "127.0.0.77";

class CoderServer
/// A PostgreSQL server in the network, with TLS and the database coder, in which a job is hung.
{
public:
    CoderServer()
    {
        const fs::path data = _server.directory() / "data";
        Sim::mustRun({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                      "/CN=db.example.org", "-keyout", data / "server.key", "-out", data / "server.crt"});
        Sim::mustRun({"chown", "postgres", data / "server.key"});
        std::ofstream(data / "postgresql.conf", std::ios::app)
            << "listen_addresses = '" << address << "'\nport = 5432\nssl = on\n";
        std::ofstream(data / "pg_hba.conf")
            << "local all postgres trust\nhost all postgres 127.0.0.0/8 trust\n"
            << "hostssl coder hang_detector 127.0.0.0/8 scram-sha-256\n";
        _server.stop();
        _server.start();
        _server.createDatabase("coder");
    }

    std::string connectionString() const { return _server.connectionString("coder"); }

private:
    Sim::ThrowawayPostgres _server;
};

} // namespace

class ReadmeCommandsTest : public CppUnit::TestFixture
{
    TEST_SUITE(ReadmeCommandsTest);

public:
    void setUp() override
    {
        _debian.emplace();
        _coder.emplace();
        std::ofstream(_debian->outside("/etc/hosts"), std::ios::app) << address << " db.example.org\n";
        // There is no systemd. As that does, this waits until slurmctld is up: one that starts may lose
        // SIGTERM.
        write("/usr/bin/systemctl", "#!/bin/sh\npid=$(cat /run/slurm/slurmctld.pid)\nkill $pid\n"
                                    "while grep -qs '^State:.[^Z]' /proc/$pid/status; do sleep 0.1; done\n"
                                    "[ \"$1\" = restart ] || exit 0\nslurmctld\n"
                                    "until scontrol ping | grep -q ' is UP'; do sleep 0.1; done\n");
        _debian->run({"chmod", "+x", "/usr/bin/systemctl"});
        _debian->run({"apt-get", "install", "--yes", "--no-install-recommends", "postgresql-client"});
        fs::create_directories(_debian->outside("/root/build/package"));
        _controller.emplace(*_debian, "");
    }

    void tearDown() override
    {
        tryToRun("systemctl stop slurmctld");
        _controller.reset();
        _coder.reset();
        _debian.reset();
    }

private:
    TEST(doWhatItSays)
    {
        const std::string job = addHungBuild();
        const std::map<std::string, std::string> elsewhere{
            {"packaging/install-dependencies prefix", "tests/source-slurm"},
            {"packaging/build slurm release -DHANG_DETECTOR_TESTS=OFF -DSLURM_PREFIX=/opt/slurm",
             "tests/source-slurm"},
            {"cmake --install build/slurm", "tests/source-slurm"},
            {"host-sim/run", "tests/on"},
            {"packaging/package", "tests/on"},
            {"tests/run", ".ci/run"},
            {"tests/run --lint", ".ci/run"},
            {"tests/run --on trixie", ".ci/run"},
        };
        int checks = 0;
        int restarts = 0;
        int packages = 0;
        for (const std::string& command : commands()) {
            if (command.starts_with("export ")) {
                _exports = command + " && ";
                continue;
            }
            if (const auto other = elsewhere.find(command); other != elsewhere.end())
                assertContains(command, sourceOf(other->second));
            if (command == "packaging/package")
                bringPackage(++packages == 1 ? builtPackage() : nextPackage(_directory.path()));
            else if (elsewhere.contains(command))
                continue;
            else if (command == "hang-detector-sim --check")
                expectCheck(++checks == 1 ? 1 : 0);
            else if (command == "systemctl restart slurmctld")
                restart(++restarts, job);
            else if (contains("/DryRun=no /", command))
                letItWork(command, job);
            else
                run(command);
        }
        CPPUNIT_ASSERT_EQUAL(std::vector({2, 3, 2}), std::vector({checks, restarts, packages}));
        CPPUNIT_ASSERT(!fs::exists(_debian->outside("/usr/bin/hang-detector-sim")));
    }

    std::string addHungBuild()
    /// And a job whose worker is alive.
    {
        Sim::JobDatabase database(_coder->connectionString());
        const std::string workspace = Sim::JobDatabase::newId();
        database.execute(
            "WITH owner AS (INSERT INTO users VALUES (gen_random_uuid(), 'kim') RETURNING id), template AS"
            " (INSERT INTO templates VALUES (gen_random_uuid(), 'docker') RETURNING id)"
            " INSERT INTO workspaces SELECT '" +
            workspace + "', owner.id, template.id, 'dev' FROM owner, template");
        _alive = database.addJob();
        return database.addBuildJob({}, {.jobId = "", .workspaceId = workspace});
    }

    static std::string sourceOf(const std::string& file)
    {
        return textOf(fs::path(PROJECT_SOURCE_DIR) / file);
    }

    static std::vector<std::string> commands()
    /// The indented lines, but not those of drawings and outputs between fences.
    {
        std::vector<std::string> found;
        bool isFenced = false;
        std::istringstream readme(sourceOf("README.md"));
        for (std::string line; std::getline(readme, line);) {
            isFenced = isFenced != line.starts_with("```");
            if (!isFenced && line.starts_with("    "))
                found.push_back(line.substr(4));
        }
        return found;
    }

    Sim::CommandResult tryToRun(const std::string& command) const
    /// As root, in the clone. There is no terminal, so psql asks for the new password on standard input, and
    /// dpkg whether to replace settings that were edited.
    {
        return Sim::runCommand(
            _debian->inside({"setsid", "--wait", "timeout", "300", "sh", "-c",
                             "cd /root && " + _exports + "{ printf 'PASSWORD\\nPASSWORD\\n'; yes N; } | { " +
                                 command + "; }"}));
    }

    void run(const std::string& command) const
    {
        const Sim::CommandResult result = tryToRun(command);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(command + '\n' + result.output, 0, result.exitStatus);
    }

    void bringPackage(const fs::path& package) const
    {
        fs::copy_file(package,
                      _debian->outside("/root/build/package/slurm-wlm-hang-detector-plugin_1_amd64.deb"));
    }

    void expectCheck(int status) const
    /// At the end it says what the README shows of it, up to numbers.
    {
        Sim::JobDatabase(_coder->connectionString()).heartbeat(_alive);
        const Sim::CommandResult result = tryToRun("hang-detector-sim --check");
        CPPUNIT_ASSERT_EQUAL_MESSAGE(result.output, status, result.exitStatus);
        if (status != 0)
            return;
        const auto masked = [](const std::string& text) {
            return std::regex_replace(text, std::regex("[0-9a-f]{8}-[0-9a-f-]{27}|[0-9][0-9.]*"), "#");
        };
        const std::string readme = sourceOf("README.md");
        const auto begin = readme.find("\n```text\nok ") + 9;
        std::istringstream shown(readme.substr(begin, readme.find("```", begin) - begin));
        int lines = 0;
        for (std::string line; std::getline(shown, line); ++lines)
            assertContains('\n' + masked(line) + '\n', '\n' + masked(result.output));
        CPPUNIT_ASSERT_MESSAGE(result.output, lines > 7);
    }

    void restart(int time, const std::string& job) const
    {
        const fs::path conf = _debian->outside("/etc/slurm/slurm.conf");
        if (time == 1)
            std::ofstream(conf, std::ios::app) << "JobSubmitPlugins=hang_detector\n";
        if (time == 3)
            Sim::mustRun({"sed", "--in-place", "/JobSubmitPlugins/d", conf});
        // So that nothing waits for a minute.
        if (time == 1)
            std::ofstream(_debian->outside("/etc/slurm/hang_detector.conf"), std::ios::app) << "Interval=1\n";
        run("systemctl restart slurmctld");
        if (time == 1)
            _controller->waitForLog("would terminate job_id=" + job);
    }

    void letItWork(const std::string& command, const std::string& job) const
    {
        run(command);
        _controller->waitForLog("settings read again DryRun=\"yes -> no\"");
        _controller->waitForLog("job terminated job_id=" + job);
        CPPUNIT_ASSERT(Sim::JobDatabase(_coder->connectionString()).isCompleted(job));
    }

    void write(const std::string& file, const std::string& text) const
    {
        std::ofstream(_debian->outside(file)) << text;
    }

    const TemporaryDirectory _directory;
    std::string _alive;
    std::string _exports;
    std::optional<CleanDebian> _debian;
    std::optional<CoderServer> _coder;
    std::optional<CleanController> _controller;
};

} // namespace HangDetection::Test
