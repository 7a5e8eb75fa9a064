//! `permit-config` to `Config`: YAML without unknown or doubled keys, every mistake in one line.

use super::listed;
use crate::api::config::PermitConfig;
use crate::domain::config::Config;

/// Reads the configuration; an empty text configures nothing.
pub fn config(text: &str) -> Result<Config, String> {
    if text.trim().is_empty() {
        return Config::check(&PermitConfig::default()).map_err(|mistakes| listed(&mistakes));
    }
    let wire: PermitConfig =
        serde_saphyr::from_str(text).map_err(|why| one_line(&why.to_string()))?;
    Config::check(&wire).map_err(|mistakes| one_line(&listed(&mistakes)))
}

/// The first line of a parser's message says what and where; the rest draws it.
fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it cannot be read")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_configures_nothing_and_a_mistake_says_where() {
        assert!(config("").unwrap().freezes.is_empty());
        assert!(
            config("freezes: []\nfreezes: []").is_err(),
            "a doubled key may hide a freeze"
        );
        let told = config("freezes:\n- {name: a, reason: r}").unwrap_err();
        assert!(told.starts_with("freezes[0]"), "{told}");
        assert!(config("frezes: []").unwrap_err().contains("frezes"));
        assert!(config("[").is_err());
    }
}
