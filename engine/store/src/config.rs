//! Where the database is.

use std::{fmt, str::FromStr};
use url::Url;

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// PostgreSQL with PostGIS
    #[arg(
        long = "database-url",
        env = "FOLDSTREAM_DATABASE_URL",
        default_value = "postgres://foldstream:foldstream@127.0.0.1:15432/foldstream",
        value_name = "URL",
        hide_env_values = true,
        global = true
    )]
    pub database_url: DatabaseUrl,

    /// Most connections a process holds for reading; each version of a projection that it folds takes three more
    #[arg(
        long = "database-connections",
        env = "FOLDSTREAM_DATABASE_CONNECTIONS",
        default_value_t = 16,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(4..=200),
        global = true
    )]
    pub database_connections: u32,
}

/// A connection URL that is never shown with its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Url);

impl DatabaseUrl {
    pub(crate) fn secret(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        match url.scheme() {
            "postgres" | "postgresql" => Ok(Self(url)),
            other => Err(format!("the scheme is `{other}`, expected `postgres`")),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if shown.password().is_some() {
            // Only a URL without a host cannot have a password, and this one had one.
            let _ = shown.set_password(Some("***"));
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://ada:s3cret@db:5432/x".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "postgres://ada:***@db:5432/x postgres://ada:***@db:5432/x");
        assert!(url.secret().contains("s3cret"));
        assert!("mysql://x".parse::<DatabaseUrl>().unwrap_err().contains("mysql"));
    }
}
