#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace Libpq {

/// Every option that libpq knows, with its value if it was given one.
using ConnectionOptions = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

ConnectionOptions writtenOptions(const std::string& text);
/// Those in a connection string itself; null when libpq cannot read it.

ConnectionOptions optionsOf(const std::string& text);
/// Of a connection string, and of the service that it names. Reads the service file. Throws
/// ConnectionRefused when libpq cannot read one of them, or the lists of hosts do not fit.

std::optional<std::string> valueOf(const ConnectionOptions& options, std::string_view keyword);
/// Nothing when it was not given.

void appendOption(std::string& text, std::string_view keyword, std::string_view value);
/// To a connection string, where the last value of a keyword counts.

std::vector<std::string> elementsOf(const std::string& list);
/// Of a list with commas, as libpq cuts it: empty ones, too.

struct Host
/// One element of the lists host, hostaddr and port. Name and address may be empty.
{
    std::string name;
    std::string address;
    std::string port;
};

std::optional<std::vector<Host>> hostsOf(const ConnectionOptions& options);
/// At least one; nothing when the lists are of different lengths. A single port is for all, and
/// where there is none it is the default one, as libpq names an empty port in no error.

std::optional<int> numberIn(const std::string& text);
/// The whole text as a number; nothing when it is none.

} // namespace Libpq
