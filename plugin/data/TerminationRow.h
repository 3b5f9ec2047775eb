#pragma once

#include "Job.h"

#include <Poco/Tuple.h>
#include <Poco/Types.h>

#include <string>

namespace HangDetection {

using TerminationRow = Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string,
                                   std::string, Poco::Int64, std::string, std::string, std::string>;
/// The columns of preview_terminations.sql, in their order. terminate_jobs.sql has them first, then one more.

Termination answerFrom(const TerminationRow& row);
/// Throws Poco::DataFormatException for an outcome, a state or a reason that has no entry in Words.h. The
/// exception quotes nothing.

} // namespace HangDetection
