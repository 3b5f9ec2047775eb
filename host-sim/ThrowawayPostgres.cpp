#include "ThrowawayPostgres.h"

#include "Command.h"
#include "Schema.h"
#include "libpq/AllSignalsBlocked.h"

#include <libpq-fe.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <sys/types.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace HangDetection::Sim {

namespace fs = std::filesystem;

namespace {

constexpr const char* serverUser = "postgres";

fs::path findBinaries()
/// Debian has the server's programs in a directory for each version, which is not on PATH.
{
    fs::path newest;
    int newestVersion = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
        const int version =
            std::atoi(entry.path().filename().c_str()); // NOLINT(cert-err34-c): 0 when there is no number
        if (version > newestVersion && fs::exists(entry.path() / "bin/initdb")) {
            newest = entry.path() / "bin";
            newestVersion = version;
        }
    }
    if (newest.empty())
        throw std::runtime_error("no PostgreSQL server on this machine (no "
                                 "/usr/lib/postgresql/*/bin/initdb); apt-get install postgresql");
    return newest;
}

fs::path makeDirectory()
{
    std::string path = (fs::temp_directory_path() / "hang-detector-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr)
        throw std::runtime_error(path + ": cannot be made: " + std::generic_category().message(errno));
    // Other users, such as SlurmUser, have to reach the socket.
    fs::permissions(path, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                              fs::perms::others_read | fs::perms::others_exec);
    return path;
}

void runUndisturbed(const CommandLine& command)
/// Runs a command in its own session, so that Ctrl-C on the terminal does not cut off the start or the stop
/// of a server.
{
    // A signal that comes before the command has its session would end it, too.
    const Libpq::AllSignalsBlocked blocked;
    CommandLine line{"setsid", "--wait"};
    line.insert(line.end(), command.begin(), command.end());
    mustRun(line);
}

void execute(const std::string& connectionString, const std::string& sql)
{
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(connectionString.c_str()),
                                                                  &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()),
                                                               &PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        throw std::runtime_error(PQerrorMessage(connection.get()));
}

} // namespace

ThrowawayPostgres::ThrowawayPostgres(Disk disk, const StepObserver& onStep)
    : _binaries(findBinaries()), _directory(makeDirectory())
{
    try {
        onStep("initdb");
        if (geteuid() == 0)
            runUndisturbed({"chown", serverUser, _directory.string()});
        const fs::path data = _directory / "data";
        runUndisturbed(
            asUser(serverUser, {_binaries / "initdb", "--pgdata", data, "--username", "postgres", "--auth",
                                "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"}));
        std::ofstream settings(data / "postgresql.conf", std::ios::app);
        settings << "listen_addresses = ''\n"
                 << "unix_socket_directories = '" << _directory.string() << "'\n"
                 << "log_min_messages = warning\n";
        if (disk == Disk::spared)
            settings << "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
                     << "shared_buffers = 32MB\n";
        settings.close();
        onStep("start");
        start();
    } catch (...) {
        remove();
        throw;
    }
}

ThrowawayPostgres::~ThrowawayPostgres()
{
    if (!_isKept)
        remove();
}

void ThrowawayPostgres::start()
{
    runUndisturbed(asUser(serverUser, {_binaries / "pg_ctl", "start", "--wait", "--silent", "--pgdata",
                                       _directory / "data", "--log", _directory / "postgres.log"}));
    _isRunning = true;
}

void ThrowawayPostgres::stop(const std::string& mode)
{
    runUndisturbed(asUser(serverUser, {_binaries / "pg_ctl", "stop", "--wait", "--silent", "--mode", mode,
                                       "--pgdata", _directory / "data"}));
    _isRunning = false;
}

void ThrowawayPostgres::crash()
{
    const fs::path file = _directory / "data/postmaster.pid";
    pid_t server = 0;
    std::ifstream(file) >> server;
    if (server <= 0 || kill(server, SIGQUIT) != 0)
        throw std::runtime_error("PostgreSQL in " + _directory.string() + " is not running");
    _isRunning = false;
    // The server removes the file when all of its processes have ended.
    while (fs::exists(file))
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void ThrowawayPostgres::createDatabase(const std::string& name, const std::string& options) const
{
    execute(connectionString("postgres"), "CREATE DATABASE " + name + ' ' + options);
    execute(connectionString(name), schemaSql);
}

std::string ThrowawayPostgres::connectionString(const std::string& database) const
{
    return "host=" + _directory.string() + " user=postgres dbname=" + database;
}

void ThrowawayPostgres::remove() noexcept
{
    try {
        if (_isRunning)
            stop("immediate");
        fs::remove_all(_directory);
    } catch (...) {
        // What cannot be removed stays in the temporary directory.
    }
}

} // namespace HangDetection::Sim
