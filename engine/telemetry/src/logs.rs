//! Log lines on standard error: compact for people, ECS JSON for machines. Standard output belongs to command results.
//!
//! Which events are logged is the filter's business; spans of level info and above are always kept beside it, so that
//! an error logged under `FOLDSTREAM_LOG=warn` still says which event, partition and trace it is about.

mod ecs;

use crate::config::{LogFilter, LogFormat};
use std::{env, io, io::IsTerminal, panic};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, LevelFilter, filter_fn},
    fmt::MakeWriter,
    registry::LookupSpan,
};

/// The style of log lines, with everything `auto` stands for decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One compact line for people.
    Human {
        /// Whether to write colour codes.
        colour: bool,
    },
    /// One JSON object a line.
    Ecs,
}

impl Style {
    /// What the configured format means for this process's standard error.
    pub(crate) fn of_standard_error(format: LogFormat) -> Self {
        let terminal = io::stderr().is_terminal();
        // https://no-color.org: any value but the empty one.
        let colour_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::choose(format, terminal, colour_refused)
    }

    fn choose(format: LogFormat, terminal: bool, colour_refused: bool) -> Self {
        match (format, terminal) {
            (LogFormat::Ecs, _) | (LogFormat::Auto, false) => Self::Ecs,
            (LogFormat::Human, _) | (LogFormat::Auto, true) => Self::Human { colour: terminal && !colour_refused },
        }
    }
}

/// The layer that writes log lines.
pub(crate) fn layer<S, W>(style: Style, filter: &LogFilter, service_name: &str, writer: W) -> impl Layer<S> + use<S, W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = match style {
        Style::Human { colour } => {
            tracing_subscriber::fmt::layer().compact().with_ansi(colour).with_writer(writer).boxed()
        }
        Style::Ecs => ecs::EcsLayer::new(service_name, writer).boxed(),
    };
    let context = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
        // Without the hint every trace! of every dependency would be asked about.
        .with_max_level_hint(LevelFilter::INFO);
    layer.with_filter(filter.to_env_filter().or(context))
}

/// Makes a panic one ECS line as well: the default hook's several lines of text would break the log collector.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let location = panic.location().map(ToString::to_string);
        crate::error!(
            error.message = panic.payload_as_str().unwrap_or("a panic without words"),
            error.stack_trace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
                .then(|| tracing::field::display(&backtrace)),
            "panic at {}",
            location.as_deref().unwrap_or("an unknown place"),
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error, info, info_span};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    /// What a layer wrote.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What is logged under this style and filter while the closure runs.
    pub(super) fn capture(style: Style, filter: &str, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let provider = crate::traces::provider(None, "test").unwrap();
        let subscriber = Registry::default().with(crate::traces::layer(&provider, false)).with(layer(
            style,
            &filter.parse().unwrap(),
            "parcels-projection",
            lines.clone(),
        ));
        tracing::subscriber::with_default(subscriber, log);
        lines.text()
    }

    #[test]
    fn auto_is_human_on_a_terminal_and_ecs_elsewhere() {
        assert_eq!(Style::choose(LogFormat::Auto, true, false), Style::Human { colour: true });
        assert_eq!(Style::choose(LogFormat::Auto, true, true), Style::Human { colour: false });
        assert_eq!(Style::choose(LogFormat::Auto, false, false), Style::Ecs);
        assert_eq!(Style::choose(LogFormat::Human, false, false), Style::Human { colour: false });
        assert_eq!(Style::choose(LogFormat::Ecs, true, false), Style::Ecs);
    }

    #[test]
    fn human_lines_carry_level_message_and_fields() {
        let text = capture(Style::Human { colour: false }, "info", || {
            let _span = info_span!("fold", kafka.topic = "parcels").entered();
            info!(event.id = "e1", "folded");
        });
        assert_eq!(text.lines().count(), 1);
        for part in ["INFO", "folded", "event.id=\"e1\"", "kafka.topic=\"parcels\""] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'), "colour codes in {text}");
    }

    #[test]
    fn a_quiet_filter_keeps_the_context_of_what_it_lets_through() {
        let text = capture(Style::Ecs, "error", || {
            let _span = info_span!("fold", kafka.topic = "parcels").entered();
            info!("not logged");
            error!("logged");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("\"kafka.topic\":\"parcels\"") && text.contains("\"trace.id\":"), "{text}");
    }
}
