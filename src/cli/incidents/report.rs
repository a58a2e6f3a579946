//! `katahai report`: the report about an incident, as Markdown, HTML or PDF.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::place::Incidents;
use crate::cli::args::OfSite;
use crate::cli::language::Language as Terminal;
use crate::cli::print::say;
use crate::cli::{DONE, FAILED, USAGE, fail, run_to_end};
use crate::disk;
use crate::report::{self, Language};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportOptions {
    /// The incident; without it, the one that runs, else the newest.
    id: Option<String>,
    /// The format [default: by the ending of the file (.md, .html, .pdf), else md].
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
    /// The language [default: that of the terminal].
    #[arg(long, value_enum)]
    lang: Option<ReportLanguage>,
    /// The file to write, in place of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    of: OfSite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// Markdown.
    Md,
    /// A page of its own.
    Html,
    /// The page, printed by the Chromium or Chrome of this machine.
    Pdf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportLanguage {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// By the ending of a file.
fn format_of(file: Option<&Path>) -> ReportFormat {
    match file.and_then(Path::extension).and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" | "htm" => ReportFormat::Html,
        "pdf" => ReportFormat::Pdf,
        _ => ReportFormat::Md,
    }
}

/// Runs the command.
pub(in crate::cli) fn run(options: &ReportOptions) -> u8 {
    let format = options.format.unwrap_or_else(|| format_of(options.output.as_deref()));
    if options.of.instance.json {
        return fail(
            USAGE,
            "a report is for people; \"katahai incidents ID --json\" has the same for programs",
        );
    }
    if format == ReportFormat::Pdf && options.output.is_none() && std::io::stdout().is_terminal() {
        return fail(USAGE, "a PDF cannot be shown here: name a file, as in -o report.pdf");
    }
    run_to_end(async {
        match made(options, format).await {
            Ok(bytes) => written(options.output.as_deref(), &bytes),
            Err(code) => code,
        }
    })
}

async fn made(options: &ReportOptions, format: ReportFormat) -> Result<Vec<u8>, u8> {
    let language = match options.lang {
        Some(ReportLanguage::En) => Language::En,
        Some(ReportLanguage::Ja) => Language::Ja,
        None => Terminal::of_terminal().pick(Language::En, Language::Ja),
    };
    let incidents = Incidents::of(&options.of).await?;
    let failed = |why: String| fail(FAILED, &why);
    let id = match &options.id {
        Some(id) => id.clone(),
        None => incidents.latest(options.of.site.as_deref()).await.map_err(failed)?,
    };
    let text = incidents.report(&id, language, format != ReportFormat::Md).await.map_err(failed)?;
    match format {
        ReportFormat::Md | ReportFormat::Html => Ok(text.into_bytes()),
        // by whoever asked: the service itself may have no browser, or may not start one
        ReportFormat::Pdf => report::pdf(&text).await.map_err(|why| failed(why.to_string())),
    }
}

fn written(file: Option<&Path>, bytes: &[u8]) -> u8 {
    use std::io::Write as _;
    let Some(file) = file else {
        return match std::str::from_utf8(bytes) {
            Ok(text) => say(text),
            Err(_) => match std::io::stdout().lock().write_all(bytes) {
                Ok(()) => DONE,
                Err(error) => fail(FAILED, &format!("could not write: {error}")),
            },
        };
    };
    match disk::write_atomic(file, bytes) {
        Ok(()) => DONE,
        Err(error) => fail(FAILED, &format!("could not write {}: {error}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_the_format() {
        for (file, format) in [
            (None, ReportFormat::Md),
            (Some("a.html"), ReportFormat::Html),
            (Some("report.pdf"), ReportFormat::Pdf),
            (Some("report"), ReportFormat::Md),
        ] {
            assert_eq!(format_of(file.map(Path::new)), format);
        }
    }
}
