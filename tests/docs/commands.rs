//! Commands: what clap's long help says, command by command.

use clap::Command;

/// How the flags begin that every command of the plugin takes.
const SHARED: &str = "\nFlags of kubectl:";

/// A section a command, its help verbatim; the flags that all take stand once, with the program itself.
pub(crate) fn markdown(mut command: Command) -> String {
    command.build();
    let mut text = section(&mut command, |help| help);
    below(&mut command, &mut text);
    text
}

fn below(command: &mut Command, text: &mut String) {
    for sub in command.get_subcommands_mut() {
        if sub.get_name() == "help" {
            continue;
        }
        text.push('\n');
        *text += &section(sub, |help| help.split(SHARED).next().unwrap_or(help));
        below(sub, text);
    }
}

fn section(command: &mut Command, cut: impl Fn(&str) -> &str) -> String {
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = cut(&help).lines().map(str::trim_end).collect();
    format!(
        "## {name}\n\n```text\n{}\n```\n",
        lines.join("\n").trim_end()
    )
}
