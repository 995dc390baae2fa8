//! Where a store is: what its address says.

use std::env;

use milvus::v2::{ConnectConfig, RetryConfig, TelemetryConfig};
use percent_encoding::percent_decode_str;

use crate::server::{Address, FIRST, ServerError};

/// How an address is written.
const EXPECTED: &str = "milvus://[user:password@]host[:port][/collection][?db=database], or milvuss:// for TLS,";
const PORT: u16 = 19530;
const COLLECTION: &str = "elman";
/// The longest name of a collection, in bytes.
const MAX_NAME: usize = 255;
/// A token in the environment, for an address without a user.
const TOKEN: &str = "MILVUS_TOKEN";

/// The address of a store, as it is written.
pub(crate) fn address(text: &str) -> Result<Address, ServerError> {
    Address::parse(text, &["milvus", "milvuss"], EXPECTED)
}

/// The address of a store, taken apart.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: Address,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) collection: String,
    database: String,
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, ServerError> {
        let address = address(text)?;
        let refused = |reason: String| ServerError::Address { found: address.to_string(), reason, expected: EXPECTED };
        let url = address.url();
        let host = url.host_str().unwrap_or_default().to_string();
        let port = url.port().unwrap_or(PORT);
        let collection = match decoded(url.path().trim_matches('/')) {
            name if name.is_empty() => COLLECTION.into(),
            name => name,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if collection.len() > MAX_NAME
            || !collection.chars().all(plain)
            || collection.starts_with(|c: char| c.is_ascii_digit())
        {
            let shown = collection.escape_debug();
            return Err(refused(format!(
                "'{shown}' is no name of a collection, which has up to {MAX_NAME} letters, digits and _, and begins with no digit"
            )));
        }
        let mut database = String::new();
        for (name, value) in url.query_pairs() {
            match &*name {
                "db" => database = value.into_owned(),
                name => return Err(refused(format!("it has no setting '{}'", name.escape_debug()))),
            }
        }
        Ok(Self { host, port, collection, database, address })
    }

    pub(super) fn has_tls(&self) -> bool {
        self.address.url().scheme() == "milvuss"
    }

    /// What the client is told. It tells nobody how it is used, and leaves it to [`Connection`](crate::server::Connection)
    /// to try again.
    pub(super) fn config(&self) -> ConnectConfig {
        let url = self.address.url();
        let scheme = if self.has_tls() { "https" } else { "http" };
        let config = ConnectConfig::new()
            .uri(format!("{scheme}://{}:{}", self.host, self.port))
            .database(&self.database)
            .connect_timeout(FIRST)
            .retry(RetryConfig::new().max_attempts(1))
            .telemetry(TelemetryConfig::new().enabled(false));
        let user = decoded(url.username());
        match (user.as_str(), env::var(TOKEN)) {
            ("", Ok(token)) if !token.is_empty() => config.token(token),
            ("", _) => config,
            (user, _) => config.token(format!("{user}:{}", decoded(url.password().unwrap_or_default()))),
        }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_all_and_has_defaults() {
        let place = Place::parse("milvus://host").unwrap();
        assert_eq!((place.host.as_str(), place.port, place.collection.as_str()), ("host", 19530, "elman"));
        assert_eq!(place.config().get_uri(), "http://host:19530");
        let place = Place::parse("milvuss://me:ge%3Aheim@[::1]:1234/notes?db=other").unwrap();
        let config = place.config();
        assert_eq!((config.get_uri(), config.get_database()), ("https://[::1]:1234", "other"));
        assert_eq!(place.collection, "notes");
        assert_eq!(config.get_token(), ConnectConfig::new().token("me:ge:heim").get_token());
        assert!(!format!("{place:?} {config:?}").contains("heim"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, reason) in [
            ("http://host", "another scheme"),
            ("milvus://", "no host"),
            ("milvus://host/my-notes", "'my-notes' is no name of a collection"),
            ("milvus://host/7", "'7' is no name of a collection"),
            ("milvus://host/a/b", "'a/b' is no name of a collection"),
            ("milvus://host?database=x", "no setting 'database'"),
        ] {
            let error = Place::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("milvus://[user:password@]host"), "{error}");
        }
    }
}
