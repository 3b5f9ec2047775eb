#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace HangDetection {

/// What libpq reads in a connection string, with every option that it knows.
using ConnectionOptions = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

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

} // namespace HangDetection
