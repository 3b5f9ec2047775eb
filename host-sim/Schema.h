#pragma once

namespace HangDetection::Sim {

extern const char* const schemaSql;
/// The text of sql/schema.sql.

} // namespace HangDetection::Sim
