//! What could stand at the end of an unfinished command line.
//!
//! Pure: walks the commands that `args` declares. What only a cluster knows is named here and looked up elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, Command};

use super::args::Connection;

/// What the last word may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of these, each with what it means.
    Words(Vec<(String, String)>),
    /// The name of something in the cluster.
    Live(Live),
    /// A file.
    File,
    /// Nothing that could be guessed.
    Anything,
}

/// What only the cluster knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    /// Names of permits.
    Permits,
    /// Names of templates.
    Templates,
    /// Names of namespaces.
    Namespaces,
    /// Workloads, as `deploy/NAME`, `sts/NAME` and so on.
    Workloads,
}

/// An unfinished command line, as far as it can be read.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// What the last word may become.
    pub(super) wanted: Wanted,
    /// The last word as far as it was typed.
    pub(super) typed: String,
    /// The flags with a value before it, by their long names.
    pub(super) flags: BTreeMap<String, String>,
}

impl Unfinished {
    /// The cluster and identity that the flags so far choose.
    pub(super) fn connection(&self) -> Connection {
        let flag = |name: &str| self.flags.get(name).cloned();
        Connection {
            context: flag("context"),
            cluster: flag("cluster"),
            user: flag("user"),
            kubeconfig: flag("kubeconfig").map(PathBuf::from),
            namespace: flag("namespace"),
            as_user: flag("as"),
            ..Connection::default()
        }
    }
}

/// Reads the words after the program's name; the last one, which may be empty, is to be completed.
pub(super) fn unfinished(root: &Command, words: &[String]) -> Unfinished {
    let (typed, before) = words
        .split_last()
        .map_or(("", [].as_slice()), |(last, before)| {
            (last.as_str(), before)
        });
    let mut walk = Walk {
        command: root,
        positions: 0,
        open: None,
        flags: BTreeMap::new(),
    };
    for word in before {
        walk.step(word);
    }
    let (flag, rest) = typed.split_once('=').unwrap_or((typed, ""));
    let inline = typed.contains('=').then(|| walk.flag(flag)).flatten();
    let (wanted, typed) = match (walk.open, inline) {
        (Some(flag), _) => (of_value(flag), typed.trim_start_matches('=')),
        (None, Some(flag)) => (of_value(flag), rest),
        (None, None) => (walk.wanted(typed), typed),
    };
    Unfinished {
        wanted,
        typed: typed.to_owned(),
        flags: walk.flags,
    }
}

/// Where a reader of the line stands.
struct Walk<'c> {
    command: &'c Command,
    positions: usize,
    /// A flag whose value comes next.
    open: Option<&'c Arg>,
    flags: BTreeMap<String, String>,
}

impl<'c> Walk<'c> {
    fn step(&mut self, word: &str) {
        if let Some(flag) = self.open {
            // bash hands `--flag=value` over in three words.
            if word != "=" {
                self.note(flag, word);
                self.open = None;
            }
        } else if word.starts_with('-') {
            let (name, value) = word
                .split_once('=')
                .map_or((word, None), |(name, value)| (name, Some(value)));
            match (self.flag(name), value) {
                (Some(flag), Some(value)) => self.note(flag, value),
                (Some(flag), None) if flag.get_action().takes_values() => self.open = Some(flag),
                _ => {}
            }
        } else if let Some(found) = self.command.find_subcommand(word) {
            self.command = found;
            self.positions = 0;
        } else {
            self.positions += 1;
        }
    }

    fn note(&mut self, flag: &Arg, value: &str) {
        let name = flag.get_long().unwrap_or_default().to_owned();
        self.flags.insert(name, value.to_owned());
    }

    /// The flag of this command, by its long or short name with the dashes.
    fn flag(&self, word: &str) -> Option<&'c Arg> {
        let command: &'c Command = self.command;
        let mut arguments = command.get_arguments();
        if let Some(long) = word.strip_prefix("--") {
            return arguments.find(|arg| arg.get_long() == Some(long));
        }
        let short = word.strip_prefix('-')?.chars().next();
        arguments.find(|arg| arg.get_short().is_some() && arg.get_short() == short)
    }

    fn wanted(&self, typed: &str) -> Wanted {
        if typed.starts_with('-') {
            return Wanted::Words(self.flags());
        }
        if self.command.has_subcommands() {
            return Wanted::Words(self.subcommands());
        }
        let mut positionals = self.command.get_positionals();
        positionals
            .nth(self.positions)
            .map_or(Wanted::Anything, of_value)
    }

    fn flags(&self) -> Vec<(String, String)> {
        let shown = self
            .command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set());
        let named = |arg: &Arg| Some((format!("--{}", arg.get_long()?), told(arg.get_help())));
        shown.filter_map(named).collect()
    }

    fn subcommands(&self) -> Vec<(String, String)> {
        let shown = self
            .command
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        shown
            .map(|command| (command.get_name().to_owned(), told(command.get_about())))
            .collect()
    }
}

fn told(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// What a flag or a place takes.
fn of_value(arg: &Arg) -> Wanted {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        return Wanted::Words(
            shown
                .map(|value| (value.get_name().to_owned(), told(value.get_help())))
                .collect(),
        );
    }
    match (arg.is_positional(), arg.get_id().as_str()) {
        (true, "name") => Wanted::Live(Live::Permits),
        (true, "workload") => Wanted::Live(Live::Workloads),
        (false, "template") => Wanted::Live(Live::Templates),
        (false, "namespace") => Wanted::Live(Live::Namespaces),
        (true, "file") | (false, "filename" | "kubeconfig" | "dir") => Wanted::File,
        _ => Wanted::Anything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn read(line: &[&str]) -> Unfinished {
        let mut root = super::super::args::Cli::command();
        root.build();
        let words: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        unfinished(&root, &words)
    }

    fn words(line: &[&str]) -> Vec<String> {
        match read(line).wanted {
            Wanted::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_word_is_a_command_and_hidden_ones_are_not_offered() {
        let all = words(&[""]);
        assert!(all.contains(&"request-changes".to_owned()), "{all:?}");
        assert!(!all.iter().any(|word| word.starts_with('_')), "{all:?}");
    }

    #[test]
    fn the_place_of_a_permit_is_completed_from_the_cluster() {
        for line in [
            ["get", ""].as_slice(),
            &["approve", "--role", "tech-lead", "che"],
            &["-n", "shop", "status", ""],
            &["wait", "--for=decided", ""],
        ] {
            assert_eq!(read(line).wanted, Wanted::Live(Live::Permits), "{line:?}");
        }
        assert_eq!(read(&["get", "x", ""]).wanted, Wanted::Anything);
    }

    #[test]
    fn what_a_flag_takes_is_completed_after_it() {
        assert_eq!(
            words(&["wait", "x", "--for", ""]),
            ["decided", "active", "finished"]
        );
        assert_eq!(
            words(&["wait", "x", "--for=d"]),
            ["decided", "active", "finished"]
        );
        assert_eq!(
            read(&["request", "--template", ""]).wanted,
            Wanted::Live(Live::Templates)
        );
        assert_eq!(read(&["request", "-f", ""]).wanted, Wanted::File);
        assert_eq!(
            read(&["request", "dep"]).wanted,
            Wanted::Live(Live::Workloads)
        );
        assert_eq!(
            read(&["get", "-n", ""]).wanted,
            Wanted::Live(Live::Namespaces)
        );
        assert_eq!(read(&["request", "--purpose", ""]).wanted, Wanted::Anything);
    }

    #[test]
    fn flags_are_offered_after_a_dash() {
        let all = words(&["get", "--"]);
        assert!(
            all.contains(&"--watch".to_owned()) && all.contains(&"--namespace".to_owned()),
            "{all:?}"
        );
    }

    #[test]
    fn bash_hands_a_flag_and_its_value_over_in_three_words() {
        let line = read(&["get", "--namespace", "=", "shop", "--context=prod", ""]);
        assert_eq!(line.wanted, Wanted::Live(Live::Permits));
        let connection = line.connection();
        assert_eq!(connection.namespace.as_deref(), Some("shop"));
        assert_eq!(connection.context.as_deref(), Some("prod"));
    }
}
