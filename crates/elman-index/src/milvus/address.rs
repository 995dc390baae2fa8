//! Addresses of Milvus stores.

use std::env;

use milvus::v2::{ConnectConfig, RetryConfig, TelemetryConfig};
use percent_encoding::percent_decode_str;

use crate::server::{Address, CONNECT_TIMEOUT, ServerError};

/// The syntax of addresses, for errors.
const EXPECTED: &str = "milvus://[user:password@]host[:port][/collection][?db=database], or milvuss:// for TLS";
const DEFAULT_PORT: u16 = 19530;
const DEFAULT_COLLECTION: &str = "elman";
/// Maximum size of a collection's name in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Environment variable with a token, for addresses without a user.
const TOKEN_VARIABLE: &str = "MILVUS_TOKEN";

/// Parses the syntax of an address.
pub(crate) fn parse_address(text: &str) -> Result<Address, ServerError> {
    Address::parse(text, &["milvus", "milvuss"], EXPECTED)
}

/// The parts of an address.
#[derive(Debug)]
pub(super) struct MilvusAddress {
    pub(super) address: Address,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) collection: String,
    database: String,
}

impl MilvusAddress {
    pub(super) fn parse(text: &str) -> Result<Self, ServerError> {
        let address = parse_address(text)?;
        let invalid = |reason: String| ServerError::Address { found: address.to_string(), reason, expected: EXPECTED };
        let url = address.url();
        let host = url.host_str().unwrap_or_default().to_string();
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let collection = match decoded(url.path().trim_matches('/')) {
            name if name.is_empty() => DEFAULT_COLLECTION.into(),
            name => name,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if collection.len() > MAX_NAME_BYTES
            || !collection.chars().all(plain)
            || collection.starts_with(|c: char| c.is_ascii_digit())
        {
            let shown = collection.escape_debug();
            return Err(invalid(format!(
                "invalid collection name '{shown}': use up to {MAX_NAME_BYTES} letters, digits and _, with no digit first"
            )));
        }
        let mut database = String::new();
        for (name, value) in url.query_pairs() {
            match &*name {
                "db" => database = value.into_owned(),
                name => return Err(invalid(format!("unknown option '{}'", name.escape_debug()))),
            }
        }
        Ok(Self { host, port, collection, database, address })
    }

    pub(super) fn has_tls(&self) -> bool {
        self.address.url().scheme() == "milvuss"
    }

    /// The client's configuration, without telemetry, and without retries, which
    /// [`Connection`](crate::server::Connection) does.
    pub(super) fn config(&self) -> ConnectConfig {
        let url = self.address.url();
        let scheme = if self.has_tls() { "https" } else { "http" };
        let config = ConnectConfig::new()
            .uri(format!("{scheme}://{}:{}", self.host, self.port))
            .database(&self.database)
            .connect_timeout(CONNECT_TIMEOUT)
            .retry(RetryConfig::new().max_attempts(1))
            .telemetry(TelemetryConfig::new().enabled(false));
        let user = decoded(url.username());
        match (user.as_str(), env::var(TOKEN_VARIABLE)) {
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
    fn addresses_are_parsed_and_have_defaults() {
        let parsed = MilvusAddress::parse("milvus://host").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port, parsed.collection.as_str()), ("host", 19530, "elman"));
        assert_eq!(parsed.config().get_uri(), "http://host:19530");
        let parsed = MilvusAddress::parse("milvuss://me:ge%3Aheim@[::1]:1234/notes?db=other").unwrap();
        let config = parsed.config();
        assert_eq!((config.get_uri(), config.get_database()), ("https://[::1]:1234", "other"));
        assert_eq!(parsed.collection, "notes");
        assert_eq!(config.get_token(), ConnectConfig::new().token("me:ge:heim").get_token());
        assert!(!format!("{parsed:?} {config:?}").contains("heim"));
    }

    #[test]
    fn invalid_addresses_are_errors() {
        for (text, reason) in [
            ("http://host", "unexpected scheme"),
            ("milvus://", "no host"),
            ("milvus://host/my-notes", "invalid collection name 'my-notes'"),
            ("milvus://host/7", "invalid collection name '7'"),
            ("milvus://host/a/b", "invalid collection name 'a/b'"),
            ("milvus://host?database=x", "unknown option 'database'"),
        ] {
            let error = MilvusAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("milvus://[user:password@]host"), "{error}");
        }
    }
}
