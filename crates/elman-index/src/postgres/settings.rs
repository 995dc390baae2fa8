//! Addresses of PostgreSQL stores: server, credentials, TLS and table.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::form_urlencoded;

use crate::{
    postgres::tls::{self, Mode},
    server::{Address, ServerError},
};

/// The syntax of addresses, for errors.
const EXPECTED: &str = "postgres://user:password@host:port/database?table=name&sslmode=require";
/// Maximum size of a name. PostgreSQL truncates longer names, so two names could become equal.
const MAX_NAME_BYTES: usize = 63;
const DEFAULT_TABLE: &str = "elman";

/// TCP keepalive: idle time before the first probe, and interval of the three probes.
const KEEPALIVE: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses the syntax of an address.
pub(crate) fn parse_address(text: &str) -> Result<Address, ServerError> {
    Address::parse(text, &["postgres", "postgresql"], EXPECTED)
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) address: Address,
    pub(super) table: String,
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl Settings {
    /// Parses an address. Defaults are the environment variables of libpq.
    pub(super) fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ServerError> {
        let address = parse_address(text)?;
        let invalid = |reason: String| ServerError::Address { found: address.to_string(), reason, expected: EXPECTED };

        let mut url = address.url().clone();
        let (mut table, mut mode, mut root_certificates) = (None, None, None);
        let mut other_parameters = Vec::new();
        for part in url.query().unwrap_or_default().split('&') {
            // as in libpq, a plus sign is not a space
            let decoded = part.replace('+', "%2B");
            let Some((key, value)) = form_urlencoded::parse(decoded.as_bytes()).next() else { continue };
            let own = match &*key {
                "table" => &mut table,
                "sslmode" => &mut mode,
                "sslrootcert" => &mut root_certificates,
                _ => {
                    other_parameters.push(part.to_string());
                    continue;
                }
            };
            *own = Some(value.into_owned());
        }
        url.set_query((!other_parameters.is_empty()).then(|| other_parameters.join("&")).as_deref());
        if let (None, Some(port)) = (url.port(), variable("PGPORT")) {
            let port = port.parse().map_err(|_| invalid(format!("PGPORT is '{}'", port.escape_debug())))?;
            url.set_port(Some(port)).map_err(|()| invalid("the address cannot have a port".into()))?;
        }
        let mut config: Config = url.as_str().parse().map_err(|error| invalid(super::failure::message(&error)))?;

        let table = table.unwrap_or_else(|| DEFAULT_TABLE.into());
        if table.is_empty() || table.len() > MAX_NAME_BYTES || table.contains('\0') {
            return Err(invalid(format!("table names have 1 to {MAX_NAME_BYTES} bytes")));
        }
        set_defaults(&mut config, &variable);
        let mode = mode.or_else(|| variable("PGSSLMODE")).unwrap_or_else(|| "prefer".into());
        let mode = Mode::from_name(&mode).ok_or_else(|| invalid(format!("sslmode is '{}'", mode.escape_debug())))?;
        let root_certificates = root_certificates.or_else(|| variable("PGSSLROOTCERT"));
        config.ssl_mode(mode.negotiation());
        let tls = tls::connector(mode, root_certificates.as_deref()).map_err(invalid)?;
        Ok(Self { address, table, config, tls })
    }

    /// The quoted name of the table for SQL.
    pub(super) fn quoted_table(&self) -> String {
        format!("\"{}\"", self.table.replace('"', "\"\""))
    }
}

/// Sets what the address does not.
fn set_defaults(config: &mut Config, variable: &impl Fn(&str) -> Option<String>) {
    if let (None, Some(user)) = (config.get_user(), variable("PGUSER")) {
        config.user(user);
    }
    if let (None, Some(password)) = (config.get_password(), variable("PGPASSWORD")) {
        config.password(password);
    }
    if let (None, Some(database)) = (config.get_dbname(), variable("PGDATABASE")) {
        config.dbname(database);
    }
    if config.get_application_name().is_none() {
        config.application_name("elman");
    }
    config.get_connect_timeout().is_none().then(|| config.connect_timeout(CONNECT_TIMEOUT));
    config.get_tcp_user_timeout().is_none().then(|| config.tcp_user_timeout(4 * KEEPALIVE));
    if config.get_keepalives_interval().is_none() && config.get_keepalives_retries().is_none() {
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    fn parse(text: &str) -> Settings {
        Settings::parse(text, |_| None).unwrap()
    }

    #[test]
    fn addresses_are_parsed() {
        let settings = parse("postgres://me:p%40ss@host:6543/base?table=my+%22table%22&sslmode=disable&options=-cx=y");
        let config = &settings.config;
        assert_eq!(settings.quoted_table(), "\"my+\"\"table\"\"\"");
        assert_eq!((config.get_user(), config.get_password()), (Some("me"), Some(&b"p@ss"[..])));
        assert_eq!((config.get_dbname(), config.get_ports()), (Some("base"), &[6543][..]));
        assert_eq!((config.get_ssl_mode(), config.get_options()), (SslMode::Disable, Some("-cx=y")));
        assert_eq!(parse("postgresql://host").table, "elman");
    }

    #[test]
    fn environment_variables_are_defaults() {
        let variable = |name: &str| Some(if name == "PGPORT" { "77" } else { "prefer" }.to_string());
        let settings = Settings::parse("postgres://host", |name| variable(name).filter(|_| name != "PGSSLROOTCERT"));
        let config = settings.unwrap().config;
        assert_eq!((config.get_user(), config.get_password()), (Some("prefer"), Some(&b"prefer"[..])));
        assert_eq!((config.get_dbname(), config.get_ports()), (Some("prefer"), &[77][..]));
        let config = Settings::parse("postgres://me:word@host:5/base?sslmode=require", variable);
        assert!(config.err().unwrap().to_string().contains("'prefer'"), "the file does not exist");
    }

    #[test]
    fn errors_do_not_contain_passwords() {
        for (text, reason) in [
            ("postgres://me:geheim@host/base?sslmode=no", "sslmode is 'no'"),
            ("postgres://me:geheim@host/base?color=geheim", "unknown option `color`"),
            ("postgres://me:geheim@host/base?table=", "table names have 1 to 63 bytes"),
            ("postgres://me:geheim@host/base?sslmode=verify-full&sslrootcert=/nowhere", "'/nowhere'"),
        ] {
            let error = Settings::parse(text, |_| None).err().unwrap();
            assert!(matches!(error, ServerError::Address { .. }));
            assert!(error.to_string().contains(reason) && !format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}
