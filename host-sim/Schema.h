#pragma once

namespace HangDetection::Sim {

extern const char* const schemaSql;
/// The text of sql/schema.sql.

extern const char* const contractSql;
/// The text of sql/contract.sql.

extern const char* const checkRoleSql;
extern const char* const checkHeartbeatSql;
extern const char* const checkDetectorsSql;
extern const char* const checkJobsSql;
/// The texts of sql/check_*.sql, which explain their parameters.

} // namespace HangDetection::Sim
