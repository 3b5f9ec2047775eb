#pragma once

#include "Job.h"

#include <Poco/Tuple.h>
#include <Poco/Types.h>

#include <string>

namespace HangDetection {

using TerminationRow = Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string,
                                   std::string, Poco::Int64, std::string, std::string, Poco::Int64>;
/// The columns of preview_terminations.sql, and the first of terminate_jobs.sql, in their order.

Termination answerFrom(const TerminationRow& row);
/// Throws Poco::DataFormatException, which quotes nothing, for an outcome, a state or a reason that has no
/// entry in Words.h.

} // namespace HangDetection
