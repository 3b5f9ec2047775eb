#pragma once

#include "Job.h"

#include <Poco/Tuple.h>
#include <Poco/Types.h>

#include <string>

namespace HangDetection {

using TerminationRow = Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string,
                                   std::string, Poco::Int64, std::string, std::string, std::string>;
/// The columns of preview_terminations.sql, in their order. terminate_jobs.sql has them first, then one more.

using CancelRow =
    Poco::Tuple<std::string, std::string, std::string, Poco::Int64, std::string, std::string, Poco::Int64>;
/// The same of preview_cancels.sql and cancel_jobs.sql. They are the first columns of a TerminationRow.

Termination answerFrom(const TerminationRow& row);
Termination answerFrom(const CancelRow& row);
/// Throw Poco::DataFormatException for an outcome, a state or a reason that has no entry in Words.h. The
/// exception quotes nothing.

} // namespace HangDetection
