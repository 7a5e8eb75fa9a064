//! User: somebody the API server authenticates.
//!
//! Decides names and groups. Does not know certificates, nor what anybody may do.

/// A username with its groups.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct User {
    name: String,
    groups: Vec<String>,
}

impl User {
    /// Anybody: at most two groups, because a certificate made here holds no more.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }

    /// The cluster's administrator, who in `system:masters` may do everything.
    pub fn admin() -> Self {
        Self::new("admin", &["system:masters"])
    }

    /// A person of the group `dev`: `alice` is `alice@example.com`.
    pub fn person(first_name: &str) -> Self {
        Self::new(&format!("{first_name}@example.com"), &["dev"])
    }

    /// The username.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The groups, without those that the API server adds.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// A name for files: unlike users never share one.
    pub(crate) fn file_stem(&self) -> String {
        let plain = |text: &str| {
            text.replace(
                |c: char| !c.is_ascii_alphanumeric() && c != '@' && c != '.',
                "-",
            )
        };
        match self.groups.as_slice() {
            [only] if only == "dev" || only == "system:masters" => {
                plain(self.name.split('@').next().unwrap_or(&self.name))
            }
            groups => format!("{}+{}", plain(&self.name), plain(&groups.join("+"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_have_short_file_names_and_others_long_ones() {
        assert_eq!(User::person("alice").file_stem(), "alice");
        assert_eq!(User::admin().file_stem(), "admin");
        assert_eq!(
            User::new("system:kube-scheduler", &[]).file_stem(),
            "system-kube-scheduler+"
        );
        assert_ne!(
            User::new("alice@example.com", &["ops"]).file_stem(),
            User::person("alice").file_stem()
        );
    }
}
