//! `katahai serve`: start, run until a signal says to stop, drain.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{Log, Serve};
use super::instance::{admin, admin_addr, announce, config_file, end, guarded, start};
use super::signals::Signals;
use super::{FAILED, USAGE, fail, logging, with_signals};
use crate::admin::Api;
use crate::app::{self, Source};
use crate::config::render::{Style, render};
use crate::config::{Config, Env, Flags, Problems, from_flags, load};

/// Runs the command.
pub(super) fn run(options: &Serve) -> u8 {
    with_signals(async |signals| {
        logging::start(&options.log, "info");
        match configured(options) {
            Ok((config, source)) => serve(config, source, &options.log, signals).await,
            Err(code) => code,
        }
    })
}

/// What to serve; the exit code where that cannot be told.
fn configured(options: &Serve) -> Result<(Config, Source), u8> {
    let env = Env::of_process();
    let loaded = match &options.origin {
        Some(origin) => {
            let flags = Flags { origin, host: options.host.as_deref(), listen: options.listen.as_deref() };
            from_flags(&flags, &env).map(|(config, problems)| {
                warn(&problems);
                (config, Source::Flags)
            })
        }
        None => match config_file(options.config.as_deref()) {
            Some(file) => from_file(file, env),
            None => {
                let message = "there is no configuration: give a file with -c, or a site with --origin URL";
                return Err(fail(USAGE, message));
            }
        },
    };
    let (mut config, mut source) = loaded.map_err(|problems| refuse(&problems))?;
    if let Some(admin) = &options.admin {
        let usage = |message: String| fail(USAGE, &message);
        config.listen.admin = admin_addr(admin).map_err(usage)?;
        guarded(&config).map_err(usage)?;
        if let Source::File { admin, .. } = &mut source {
            *admin = Some(config.listen.admin.clone());
        }
    }
    Ok((config, source))
}

fn from_file(file: PathBuf, env: Env) -> Result<(Config, Source), Problems> {
    let read = app::print(&file);
    let (config, problems) = load(&file, &env)?;
    warn(&problems);
    Ok((config, Source::File { path: file, env, read, admin: None }))
}

fn warn(problems: &Problems) {
    for problem in problems {
        tracing::warn!(%problem, "configuration");
    }
}

/// Says what is wrong with the configuration.
#[expect(clippy::print_stderr, reason = "a report of several lines, for people")]
fn refuse(problems: &Problems) -> u8 {
    eprint!("{}", render(problems, Style::of(&std::io::stderr())));
    USAGE
}

async fn serve(config: Config, source: Source, log: &Log, mut signals: Signals) -> u8 {
    let app = match start(config, source, log, None).await {
        Ok(app) => app,
        Err(message) => return fail(FAILED, &message),
    };
    let _watch = app.watch_files();
    let admin = match admin(&app, |app| Api::new(app, None)).await {
        Ok((admin, _)) => admin,
        Err(message) => {
            // It ends by itself, and the next start is not to take it for killed.
            app.drain(Duration::ZERO).await;
            return fail(FAILED, &message);
        }
    };
    announce(&app);
    signals.serve(&app).await;
    end(&app, admin, signals).await
}
