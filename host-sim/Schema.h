#pragma once

namespace HangDetection::Sim {

extern const char* const schemaSql;
/// The text of sql/schema.sql.

extern const char* const contractSql;
/// The text of sql/contract.sql.

} // namespace HangDetection::Sim
