//! What an invalid command line probably meant.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory as _;

use super::args::Args;

/// Words by which others call what has another name here.
const OTHERS: [(&str, &str); 8] = [
    ("run", "serve"),
    ("start", "serve"),
    ("server", "serve"),
    ("validate", "check"),
    ("test", "check"),
    ("configtest", "check"),
    ("list", "snapshot list"),
    ("crawl", "snapshot take"),
];
/// A name that differs in more letters than this is another one.
const LETTERS: usize = 2;

/// What to write instead, if that can be guessed. `words` is what stands behind the program's name.
pub(super) fn of(words: &[OsString]) -> Option<String> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let (first, rest) = words.split_first()?;
    let meant = |command: String| Some(format!("did you mean \"katahai {command}\"?"));
    if is_file(first) {
        return meant(format!("serve -c {first}"));
    }
    let mut args = Args::command();
    args.build();
    let Some(command) = args.find_subcommand(first) else {
        let known =
            || OTHERS.iter().find(|(other, _)| other.eq_ignore_ascii_case(first)).map(|(_, ours)| *ours);
        let names = args.get_subcommands().map(clap::Command::get_name);
        let near = names.map(|name| (strsim::damerau_levenshtein(&first.to_lowercase(), name), name));
        let near = near
            .filter(|(letters, name)| *letters <= LETTERS.min(name.len() / 2))
            .min()
            .map(|(_, name)| name);
        let command = known().or(near)?;
        let file = rest.iter().find(|word| is_file(word)).filter(|_| !rest.contains(&"-c"));
        let file = file.map(|file| format!(" -c {file}")).unwrap_or_default();
        return meant(format!("{command}{file}"));
    };
    // A file where no word is expected.
    let takes_file = command.get_arguments().any(|argument| argument.get_short() == Some('c'));
    let file = rest.first().filter(|word| is_file(word) && takes_file && rest.len() == 1)?;
    meant(format!("{first} -c {file}"))
}

fn is_file(word: &str) -> bool {
    Path::new(word).extension().is_some_and(|end| end.eq_ignore_ascii_case("toml")) && !word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_guessed() {
        for (line, hint) in [
            ("katahai.toml", Some("serve -c katahai.toml")),
            ("/etc/katahai/katahai.toml", Some("serve -c /etc/katahai/katahai.toml")),
            ("run", Some("serve")),
            ("run katahai.toml", Some("serve -c katahai.toml")),
            ("start -c katahai.toml", Some("serve")),
            ("check katahai.toml", Some("check -c katahai.toml")),
            ("serve k.toml", Some("serve -c k.toml")),
            ("stauts", Some("status")),
            ("snapshots", Some("snapshot")),
            ("relaod", Some("reload")),
            ("validate k.toml", Some("check -c k.toml")),
            ("check --no-such-flag", None),
            ("snapshot k.toml", None),
            ("forecast", None),
            ("", None),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
            let expected = hint.map(|command| format!("did you mean \"katahai {command}\"?"));
            assert_eq!(of(&words), expected, "{line}");
        }
    }
}
