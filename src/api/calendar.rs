//! A stretch of time that comes again, as permits, templates and the configuration write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of time that comes again.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recurrence {
    /// When it begins: minute, hour, day of the month, month, day of the week, on the clock of `zone`.
    /// Example: `0 22 * * MON-THU`.
    #[schemars(length(min = 9, max = 128))]
    pub cron: String,
    /// How long it lasts, at most 744h. Example: `4h`.
    #[schemars(length(min = 2, max = 16))]
    pub duration: String,
    /// The IANA time zone of the clock. Default: `UTC`. Example: `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub zone: Option<String>,
}
