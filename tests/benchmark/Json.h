#pragma once

#include "Samples.h"

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <filesystem>

namespace HangDetection::Benchmark {

Poco::JSON::Object jsonOf(const Samples& samples);
/// Their median and each of them; without any, the empty list alone.

void writeJson(const std::filesystem::path& file, const Poco::Dynamic::Var& value);
/// Throws std::runtime_error when the file cannot be written.

} // namespace HangDetection::Benchmark
