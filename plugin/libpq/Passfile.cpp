#include "Passfile.h"

#include "ConnectionText.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace Libpq {

namespace {

std::string inPassfile(const std::string& name)
/// As a field of its line.
{
    std::string field;
    for (const char c : name) {
        if (c == ':' || c == '\\')
            field += '\\';
        field += c;
    }
    return field;
}

} // namespace

std::string passfileFault(const std::string& file)
{
    const std::string name = "the passfile \"" + file + '"';
    struct stat status = {};
    if (stat(file.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return name + " does not exist";
    if (faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) != 0)
        return name + " cannot be read: " + std::generic_category().message(errno);
    // libpq's own rule.
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return name + " is open to others than its owner, so libpq does not read it";
    return "";
}

std::string passfileFault(PGconn* connection)
{
    if (PQconnectionNeedsPassword(connection) == 0)
        return "";
    const ConnectionOptions options(PQconninfo(connection), &PQconninfoFree);
    const std::string file = options ? valueOf(options, "passfile").value_or("") : "";
    std::string fault = passfileFault(file);
    if (!fault.empty())
        return fault;
    // For its own socket libpq looks for a line with localhost. It does not say where that is; this is
    // Debian's.
    const std::string host = PQhost(connection);
    const bool isOwnSocket =
        host == "/var/run/postgresql" ||
        (options && valueOf(options, "host").value_or("").empty() && host.starts_with('/'));
    return "the passfile \"" + file + "\" has no line for " + inPassfile(isOwnSocket ? "localhost" : host) +
           ':' + PQport(connection) + ':' + inPassfile(PQdb(connection)) + ':' +
           inPassfile(PQuser(connection));
}

} // namespace Libpq
