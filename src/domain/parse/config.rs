//! `permit-config` to `Config`: YAML without unknown or doubled keys, every mistake with its path.

use super::{FieldError, listed};
use crate::api::config::{CONFIG_KEY, PermitConfig};
use crate::domain::config::Config;

/// Reads the configuration; of its mistakes the first is told.
pub fn config(text: &str) -> Result<Config, String> {
    configuration(text).map_err(|mistakes| one_line(&listed(&mistakes)))
}

/// Reads the configuration; every mistake is told. An empty text configures nothing.
pub fn configuration(text: &str) -> Result<Config, Vec<FieldError>> {
    if text.trim().is_empty() {
        return Config::check(&PermitConfig::default());
    }
    let unreadable = |why: String| vec![FieldError::new(CONFIG_KEY, one_line(&why))];
    let wire: PermitConfig =
        serde_saphyr::from_str(text).map_err(|why| unreadable(why.to_string()))?;
    Config::check(&wire)
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
        let told = configuration("[").unwrap_err();
        assert_eq!(told[0].path, CONFIG_KEY);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let all = "freezes:\n- {name: a, reason: r}\n- {name: a, reason: '', from: x, until: y}\n\
            exemptions:\n- {username: '*', kind: Pot, operations: [Create], reason: r}\n";
        let told = configuration(all).unwrap_err();
        let paths: Vec<_> = told.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "freezes[0]",
                "freezes[1].name",
                "freezes[1].reason",
                "freezes[1].from",
                "freezes[1].until",
                "exemptions[0].username",
                "exemptions[0].kind",
            ]
        );
    }
}
